import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createWorker, OEM } from 'tesseract.js';
import { ProcessingError } from '../../documents/job.ts';
import type { Block } from './parser.ts';
import { joinLines } from './pdf-lines.ts';
import { paragraphs } from './txt.ts';

/** Below this, in percent, Tesseract has seen letters where there are none. */
const MIN_CONFIDENCE = 40;
/** The smaller of the two models in the package: half the size of the other and no worse on print. */
const MODELS = join(dirname(fileURLToPath(import.meta.resolve('@tesseract.js-data/eng'))), '4.0.0_best_int');

/** Reads printed English from pictures, without the network. */
export interface OcrReader {
  /**
   * @param image PNG or JPEG.
   * @throws ProcessingError `CORRUPT_FILE` where the bytes are no picture that can be read.
   */
  read(image: Uint8Array): Promise<Block[]>;
  close(): Promise<void>;
}

/** Starts Tesseract in a thread: 0.3 s. */
export async function openOcr(): Promise<OcrReader> {
  const worker = await createWorker('eng', OEM.LSTM_ONLY, {
    langPath: MODELS,
    gzip: true,
    cacheMethod: 'none',
    // The default throws in a callback, beyond any catch.
    errorHandler: () => undefined,
  });
  return {
    async read(image) {
      const { data } = await worker.recognize(Buffer.from(image)).catch((cause: unknown) => {
        throw new ProcessingError('CORRUPT_FILE', 'The picture is damaged and cannot be read.', { cause });
      });
      if (data.confidence < MIN_CONFIDENCE) return [];
      return paragraphs(data.text).map((block) => ({ ...block, text: joinLines(block.text.split('\n')) }));
    },
    close: async () => void (await worker.terminate()),
  };
}

import { ProcessingError } from '../../documents/job.ts';
import type { Block } from './parser.ts';
import { joinLines } from './pdf-lines.ts';
import { startTesseract } from './tesseract.ts';
import { paragraphs } from './txt.ts';

/** Below this, in percent, Tesseract has seen letters where there are none. */
const MIN_CONFIDENCE = 40;
/** Reads printed English from pictures, without the network. */
export interface OcrReader {
  /**
   * @param image PNG or JPEG.
   * @throws ProcessingError `CORRUPT_FILE` where the bytes are no picture that can be read.
   */
  read(image: Uint8Array): Promise<Block[]>;
  close(): Promise<void>;
}

/** Starts Tesseract: 0.3 s. It works in this thread, so a process that reads pictures does nothing else. */
export async function openOcr(): Promise<OcrReader> {
  const tesseract = await startTesseract();
  return {
    async read(image) {
      const { text, confidence } = await tesseract.recognize(image).catch((cause: unknown) => {
        throw new ProcessingError('CORRUPT_FILE', 'The picture is damaged and cannot be read.', { cause });
      });
      if (confidence < MIN_CONFIDENCE) return [];
      return paragraphs(text).map((block) => ({ ...block, text: joinLines(block.text.split('\n')) }));
    },
    close: () => tesseract.close(),
  };
}

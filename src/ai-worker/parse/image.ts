import { ProcessingError } from '../../documents/job.ts';
import { openOcr } from './ocr.ts';
import { OcrNeededError, type Parser } from './parser.ts';

/** PNG and JPEG: the print on them, by OCR. */
export const parseImage: Parser = async ({ bytes, ocr }) => {
  if (ocr === 'elsewhere') throw new OcrNeededError();
  if (ocr === 'off') throw new ProcessingError('NO_TEXT', 'Pictures are only read where OCR_ENABLED=true is set.');
  const reader = await openOcr();
  try {
    return await reader.read(bytes);
  } finally {
    await reader.close();
  }
};

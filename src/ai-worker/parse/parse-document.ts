import type { Format } from '../../documents/formats.ts';
import { ProcessingError } from '../../documents/job.ts';
import { MAX_TEXT_CHARACTERS, tooMuchText } from '../limit-errors.ts';
import { type Block, OcrNeededError, type ParserInput } from './parser.ts';
import { loadParser } from './parsers.ts';

/**
 * Reads a document of any format: blocks of clean text, none of them empty.
 * @throws ProcessingError whatever goes wrong with the file; `OcrNeededError`; other errors are no fault of the file.
 */
export async function parseDocument(input: ParserInput & { format: Format }): Promise<Block[]> {
  const parse = await loadParser(input.format);
  let blocks: Block[];
  try {
    blocks = await parse(input);
  } catch (error) {
    throw error instanceof OcrNeededError ? error : processingError(error, input.format);
  }
  return cleanBlocks(blocks, { maxCharacters: MAX_TEXT_CHARACTERS });
}

/** @throws ProcessingError `NO_TEXT` or `TOO_LARGE_EXPANDED`. */
export function cleanBlocks(blocks: readonly Block[], { maxCharacters }: { maxCharacters: number }): Block[] {
  const clean: Block[] = [];
  let characters = 0;
  for (const block of blocks) {
    const text = cleanText(block.text);
    if (text === '') continue;
    characters += text.length;
    if (characters > maxCharacters) throw tooMuchText(maxCharacters);
    clean.push({ ...block, text });
  }
  if (clean.length === 0) throw new ProcessingError('NO_TEXT', 'The document holds no text that could be found.');
  return clean;
}

/** Composed letters, LF line ends, and nothing that Postgres refuses (NUL, lone surrogates) or nobody sees. */
function cleanText(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f\u00ad\u200b\ufeff]/g, '')
      .toWellFormed()
      .normalize('NFC')
      .trim()
  );
}

/** A parser that throws met a file it can't read. Its own words may quote the file. */
function processingError(error: unknown, format: Format): ProcessingError {
  if (error instanceof ProcessingError) return error;
  const tooDeep = error instanceof RangeError && error.message.includes('call stack');
  const tooLong =
    error instanceof RangeError && /string length|buffer allocation|typed array length/i.test(error.message);
  if (tooLong)
    return new ProcessingError('TOO_LARGE_EXPANDED', 'The document holds more text than can be read.', {
      cause: error,
    });
  const message = tooDeep ? 'is nested too deeply to be read' : 'is damaged and cannot be read';
  return new ProcessingError('CORRUPT_FILE', `The file ${message} as ${format}.`, { cause: error });
}

import { readFileSync } from 'node:fs';
import { parseDocument } from '../../../src/ai-worker/parse/parse-document.ts';
import type { Block } from '../../../src/ai-worker/parse/parser.ts';
import type { Format } from '../../../src/documents/formats.ts';
import { ProcessingError, type ProcessingErrorCode } from '../../../src/documents/job.ts';

/** A document of the library. */
export function fixture(name: string): Uint8Array {
  return readFileSync(new URL(`../../fixtures/library/${name}`, import.meta.url));
}

/** Parses bytes or text as a document of some format. */
export function parse(format: Format, content: Uint8Array | string, { ocr = false } = {}): Promise<Block[]> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return parseDocument({ format, bytes, ocr: ocr ? 'here' : 'off', name: `document.${format}` });
}

/** Blocks of one kind, as their texts. */
export function texts(blocks: readonly Block[], kind?: Block['kind']): string[] {
  return blocks.filter((block) => kind === undefined || block.kind === kind).map((block) => block.text);
}

/** Matches a ProcessingError by its code and, where given, its message. */
export function failsWith(code: ProcessingErrorCode, message = /./): (error: unknown) => boolean {
  return (error) => error instanceof ProcessingError && error.code === code && message.test(error.message);
}

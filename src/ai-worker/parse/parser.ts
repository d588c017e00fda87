/** A run of a document's text that belongs together: a heading, a paragraph, a table row, a list item. */
export interface Block {
  kind: 'heading' | 'text' | 'row' | 'code';
  text: string;
  /** 1 (outermost) to 6, for headings. */
  level?: number;
  /** From 1, where the format has pages, sheets or slides. */
  page?: number;
}

/** What a parser is handed. */
export interface ParserInput {
  bytes: Uint8Array;
  /** The file's name, for messages only. */
  name: string;
  ocr: OcrPolicy;
}

/** Whether pictures are read: by this process, by one that is made for it, or not at all. */
export type OcrPolicy = 'here' | 'elsewhere' | 'off';

/** What must be read by OCR, in a process that is made for it. */
export class OcrNeededError extends Error {
  override readonly name = 'OcrNeededError';
}

/**
 * Reads one format: bytes in, blocks in reading order out. One file a format beside this one.
 * @throws ProcessingError `CORRUPT_FILE`, `ENCRYPTED_FILE`, `NO_TEXT` or `TOO_LARGE_EXPANDED`; `OcrNeededError`.
 */
export type Parser = (input: ParserInput) => Promise<Block[]>;

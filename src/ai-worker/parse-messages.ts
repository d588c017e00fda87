import type { Format } from '../documents/formats.ts';
import type { Chunk, ProcessingErrorCode } from '../documents/job.ts';
import type { OcrPolicy } from './parse/parser.ts';

/** What a parser process is asked: one document at a time. */
export interface ParseRequest {
  format: Format;
  name: string;
  bytes: Uint8Array;
  ocr: OcrPolicy;
  /** A document of more is given up. */
  maxChunks: number;
}

/** What it answers: for each document that it began, its chunks in batches, and how it ended. */
export type ParseAnswer =
  | { type: 'began' }
  | { type: 'chunks'; chunks: Chunk[] }
  | { type: 'done'; characters: number; chunkMs: number }
  | { type: 'needs-ocr' }
  | { type: 'failed'; code: ProcessingErrorCode; message: string; retryable: boolean; cause: string };

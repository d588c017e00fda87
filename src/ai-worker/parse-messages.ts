import { z } from 'zod';
import type { Format } from '../documents/formats.ts';
import { PROCESSING_ERROR_CODES, resultChunkSchema } from '../documents/job.ts';
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

/**
 * What it answers: for each document that it began, its chunks in batches, and how it ended. Checked word for word, as a
 * document may have made it say so.
 */
export const parseAnswerSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('began') }),
  z.object({ type: z.literal('chunks'), chunks: z.array(resultChunkSchema.omit({ embedding: true }).strip()) }),
  z.object({ type: z.literal('done'), characters: z.int32().nonnegative(), chunkMs: z.number().min(0).max(1e9) }),
  z.object({ type: z.literal('needs-ocr') }),
  z.object({
    type: z.literal('failed'),
    code: z.enum(PROCESSING_ERROR_CODES),
    message: z.string().max(500),
    retryable: z.boolean(),
    cause: z.string().max(200),
  }),
]);
export type ParseAnswer = z.infer<typeof parseAnswerSchema>;

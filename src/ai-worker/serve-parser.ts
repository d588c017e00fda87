import { Socket } from 'node:net';
import { type Chunk, ProcessingError } from '../documents/job.ts';
import { errorType } from '../platform/errors.ts';
import { OcrNeededError } from './parse/parser.ts';
import { onRequest, PIPES } from './parse-channel.ts';
import type { ParseAnswer, ParseRequest } from './parse-messages.ts';

/** Few enough for the parent to go on between two of them. */
const BATCH_CHUNKS = 256;

/** Makes this process a parser process: answers the requests of its parent, one after the other, and ends with it. */
export function serveParser(
  parse: (request: ParseRequest) => Promise<{ chunks: Chunk[]; characters: number; chunkMs: number }>,
): void {
  const requests = new Socket({ fd: PIPES.requests });
  const answers = new Socket({ fd: PIPES.answers });
  const send = (answer: ParseAnswer) =>
    new Promise<void>((resolve) => answers.write(`${JSON.stringify(answer)}\n`, () => resolve()));
  requests.on('close', () => process.exit());
  onRequest(requests, async (request) => {
    await send({ type: 'began' });
    try {
      const { chunks, characters, chunkMs } = await parse(request);
      for (let start = 0; start < chunks.length; start += BATCH_CHUNKS) {
        await send({ type: 'chunks', chunks: chunks.slice(start, start + BATCH_CHUNKS) });
      }
      await send({ type: 'done', characters, chunkMs });
    } catch (error) {
      await send(error instanceof OcrNeededError ? { type: 'needs-ocr' } : failureOf(error));
    }
  });
}

/**
 * Causes go by their kind alone: a message may quote the document. Parsers throw ProcessingErrors;
 * anything else is a fault of ours, and another attempt may go well.
 */
function failureOf(error: unknown): ParseAnswer {
  if (error instanceof ProcessingError) {
    const { code, message, retryable } = error;
    return { type: 'failed', code, message, retryable, cause: error.cause === undefined ? '' : errorType(error.cause) };
  }
  const message = 'The parser failed in a way it does not know.';
  return { type: 'failed', code: 'WORKER_CRASHED', message, retryable: true, cause: errorType(error) };
}

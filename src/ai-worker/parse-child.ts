/**
 * The process that opens untrusted files: parses and chunks one document after the other. It may
 * die of any of them. Started by `parse-process.ts` alone.
 */
import { Worker } from 'node:worker_threads';
import { ProcessingError } from '../documents/job.ts';
import { openTokenizer } from '../embeddings/tokenizer.ts';
import { errorType } from '../platform/errors.ts';
import { chunkBlocks } from './chunk.ts';
import { extractedText } from './outline.ts';
import { parseDocument } from './parse/parse-document.ts';
import type { ParseAnswer, ParseRequest } from './parse-messages.ts';

/** Few enough for the parent to go on between two of them. */
const BATCH_CHUNKS = 256;

// A loop in a parser would never let this thread see that its parent is gone, or that memory runs out.
new Worker(new URL('./parse-watchdog.ts', import.meta.url), {
  workerData: { parent: process.ppid, memoryMb: Number(process.argv[2]) },
});
const tokenizer = openTokenizer();

process.on('disconnect', () => process.exit());
process.on('message', (request: ParseRequest) => void answer(request));
await send({ type: 'ready' });

async function answer(request: ParseRequest): Promise<void> {
  try {
    const blocks = await parseDocument(request);
    const chunks = chunkBlocks(blocks, {
      countTokens: (text) => tokenizer.countTokens(text),
      maxTokens: tokenizer.maxContentTokens + 2,
    });
    for (let start = 0; start < chunks.length; start += BATCH_CHUNKS) {
      await send({ type: 'chunks', chunks: chunks.slice(start, start + BATCH_CHUNKS) });
    }
    await send({ type: 'done', characters: extractedText(blocks).length, rss: process.memoryUsage.rss() });
  } catch (error) {
    await send(failureOf(error));
  }
}

/**
 * Causes go by their kind alone: a message may quote the document. Only parsers throw ProcessingErrors: anything else is a fault of ours, and another
 * attempt may go well.
 */
function failureOf(error: unknown): ParseAnswer {
  if (error instanceof ProcessingError) {
    const { code, message, retryable } = error;
    return { type: 'failed', code, message, retryable, cause: error.cause === undefined ? '' : errorType(error.cause) };
  }
  const message = 'The parser failed in a way it does not know.';
  return { type: 'failed', code: 'WORKER_CRASHED', message, retryable: true, cause: errorType(error) };
}

function send(answer: ParseAnswer): Promise<void> {
  return new Promise((resolve) => process.send?.(answer, undefined, {}, () => resolve()));
}

import type { ChildProcess } from 'node:child_process';
import { type Chunk, ProcessingError } from '../documents/job.ts';
import type { ParseAnswer, ParseRequest } from './parse-messages.ts';

export interface ConverseOptions {
  timeoutMs: number;
  memoryMb: number;
  signal: AbortSignal;
  /** What is known of why the process ended. */
  crashCause(): string;
}

/** One document asked of a parser process, and its answer. Ends the process when it takes too long or nobody waits. */
export function converse(
  child: ChildProcess,
  request: ParseRequest,
  options: ConverseOptions,
): Promise<{ chunks: Chunk[]; characters: number; chunkMs: number; rss: number }> {
  const { timeoutMs, signal } = options;
  const chunks: Chunk[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<{
    chunks: Chunk[];
    characters: number;
    chunkMs: number;
    rss: number;
  }>();
  const give = (reason: unknown) => {
    reject(reason);
    child.kill('SIGKILL');
  };
  const onMessage = (answer: ParseAnswer) => {
    // The start of the process is not the document's time.
    if (answer.type === 'ready') timer.refresh();
    else if (answer.type === 'chunks') for (const chunk of answer.chunks) chunks.push(chunk);
    else if (answer.type === 'done') resolve({ ...answer, chunks });
    else if (answer.type === 'failed') reject(failure(answer));
  };
  const onEnd = () => give(crash(options));
  const onAbort = () => give(signal.reason);
  const timer = setTimeout(() => give(timeout(timeoutMs)), timeoutMs);
  child.on('message', onMessage).once('exit', onEnd).once('error', onEnd);
  signal.addEventListener('abort', onAbort, { once: true });
  // The callback keeps a closed channel from being thrown; an ended process is heard of by its events as well.
  child.send(request, (error) => error !== null && onEnd());
  if (signal.aborted) onAbort();
  return promise.finally(() => {
    clearTimeout(timer);
    child.off('message', onMessage).off('exit', onEnd).off('error', onEnd);
    signal.removeEventListener('abort', onAbort);
  });
}

function failure(answer: Extract<ParseAnswer, { type: 'failed' }>): ProcessingError {
  const { code, message, retryable, cause } = answer;
  return new ProcessingError(code, message, { retryable, cause: cause === '' ? undefined : new Error(cause) });
}

function timeout(timeoutMs: number): ProcessingError {
  const message = `Reading the document took longer than ${Math.ceil(timeoutMs / 1000)} seconds.`;
  // Retryable: a busy machine may have been at fault. It counts as an attempt, so it ends.
  return new ProcessingError('PARSE_TIMEOUT', message, { retryable: true });
}

function crash({ memoryMb, crashCause }: ConverseOptions): ProcessingError {
  const message = `The parser crashed on the document, or needed more than ${memoryMb} MB of memory for it.`;
  const cause = crashCause();
  return new ProcessingError('WORKER_CRASHED', message, {
    retryable: true,
    cause: cause === '' ? undefined : new Error(cause),
  });
}

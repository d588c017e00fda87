import type { ChildProcess } from 'node:child_process';
import { ProcessingError } from '../documents/job.ts';
import { tooMuchComputing, tooMuchMemory } from './limit-errors.ts';
import type { ParserChannel } from './parse-channel.ts';
import { LIFETIME_CPU_SECONDS } from './parse-enclosure.ts';

/** A parser's process that ended before it came to read a document: not that document's fault. */
export class ParserStartError extends Error {
  override readonly name = 'ParserStartError';
}

const MAX_STDERR_CHARACTERS = 4000;
/** What V8 prints before it aborts: its own limit may be reached between two looks of the watch. */
const OUT_OF_MEMORY =
  /heap limit|heap out of memory|invalid table size|Allocation failed|Failed to (?:reserve|allocate)/i;

/**
 * Resolves once a parser's process is gone, with the error of the document that it was at:
 * `ParserStartError`, `TOO_LARGE_EXPANDED` or `PARSE_TIMEOUT` where memory or computing ran out, else
 * `WORKER_CRASHED`, which is retryable.
 */
export function watchEnd(
  child: ChildProcess,
  { channel, memoryMb }: { channel: ParserChannel; memoryMb: number },
): Promise<Error> {
  let printed = '';
  let isReading = false;
  let hasRead = false;
  channel.onAnswer((answer) => {
    if (answer?.type === 'began') isReading = hasRead = true;
    else if (answer?.type !== 'chunks') isReading = false;
  });
  child.stderr?.on('data', (data: Buffer) => {
    printed = (printed + data.toString()).slice(-MAX_STDERR_CHARACTERS);
  });
  return new Promise((resolve) => {
    child.once('error', (cause) => resolve(new ParserStartError(cause.message, { cause })));
    // Later than `exit`: only now is all that it printed here.
    child.once('close', (code, signal) => {
      // What it printed once it has read something stays here: it may quote a document.
      if (!isReading)
        resolve(new ParserStartError((hasRead ? undefined : reasonIn(printed)) ?? `it ended with ${signal ?? code}`));
      else if (OUT_OF_MEMORY.test(printed)) resolve(tooMuchMemory(memoryMb));
      else if (signal === 'SIGXCPU') resolve(tooMuchComputing(LIFETIME_CPU_SECONDS * 1000));
      else resolve(new ProcessingError('WORKER_CRASHED', 'The parser crashed on the document.', { retryable: true }));
    });
  });
}

/** The line of a stack trace that says what happened. */
function reasonIn(printed: string): string | undefined {
  const lines = printed.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /^\S*Error\b.*:/.test(line)) ?? lines.at(-1);
}

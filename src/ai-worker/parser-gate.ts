import { setTimeout } from 'node:timers/promises';
import { ProcessingError } from '../documents/job.ts';
import { toError } from '../platform/errors.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { ParserStartError } from './parse-end.ts';
import type { ParsePool } from './parse-pool.ts';

/** Holds documents back while no parser can read even a known text: each would fail as if it were its own fault. */
export interface ParserGate {
  readonly isOpen: boolean;
  /** The pool, watched: a document whose parser can't even start waits until the known text is read again. */
  parsePool: ParsePool;
  /**
   * Resolves when parsers work; rejects when aborted.
   * @param onWait told each second meanwhile.
   */
  pass(signal: AbortSignal, onWait?: () => void): Promise<void>;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const WAIT_MS = 1_000;
/** Starts that fail for one document while the check succeeds are given up after so many. */
const MAX_STARTS = 3;

/** Has the pool read a known text, at once and until it can; what it says otherwise is logged in one line. */
export function openParserGate(
  pool: ParsePool,
  { logger, lifecycle }: { logger: Logger; lifecycle: Pick<Lifecycle, 'onClose'> },
): ParserGate {
  const closing = new AbortController();
  let isOpen = false;
  let checking: Promise<void> | undefined;

  async function checkUntilItWorks(): Promise<void> {
    let told = '';
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      const reason = await pool.check(closing.signal).then(
        () => undefined,
        (error: unknown) => toError(error).message,
      );
      if (closing.signal.aborted) return;
      if (reason === undefined) break;
      if (reason !== told) logger.error('no parser can read a known text; documents wait', { reason });
      told = reason;
      await setTimeout(pauseMs, undefined, { signal: closing.signal });
    }
    isOpen = true;
    if (told !== '') logger.info('parsers work again');
  }

  const start = () => {
    checking ??= checkUntilItWorks()
      // Only closing ends the wait.
      .catch(() => undefined)
      .finally(() => {
        checking = undefined;
      });
  };
  start();
  lifecycle.onClose('parser check', async () => {
    closing.abort();
    await checking;
  });

  const pass = async (signal: AbortSignal | undefined, onWait?: () => void): Promise<void> => {
    while (!isOpen) {
      signal?.throwIfAborted();
      onWait?.();
      await Promise.race([checking, setTimeout(WAIT_MS, undefined, { signal })]);
    }
  };

  return {
    get isOpen() {
      return isOpen;
    },
    parsePool: {
      ...pool,
      async parse(document) {
        for (let starts = 1; ; starts++) {
          try {
            return await pool.parse(document);
          } catch (error) {
            if (!(error instanceof ParserStartError)) throw error;
            if (starts === MAX_STARTS) throw neverStarted(error);
            isOpen = false;
            start();
            await pass(document.signal);
          }
        }
      },
    },
    pass,
  };
}

function neverStarted(cause: ParserStartError): ProcessingError {
  return new ProcessingError('WORKER_CRASHED', 'No parser could be started.', { retryable: true, cause });
}

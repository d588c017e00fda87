import type { Format } from '../documents/formats.ts';
import { type Parsed, type ParseProcess, startParseProcess } from './parse-process.ts';

export interface ParsePoolOptions {
  /** Documents parsed at the same time, each in a process of its own. */
  concurrency: number;
  /** A document that takes longer is given up. */
  timeoutMs: number;
  /** Memory that one process may hold, in MiB. */
  memoryMb: number;
  /** Whether pictures, and pages that are pictures, are read. */
  ocr: boolean;
  /** What the processes run; for tests of the pool itself. */
  modulePath?: URL;
}

export interface ParsePool {
  /**
   * Parses and chunks a document in a process of its own; waits for a free one.
   * @throws ProcessingError as `Parser` has it, or `PARSE_TIMEOUT`, `WORKER_CRASHED` (both retryable);
   *   the signal's reason when it aborts.
   */
  parse(document: { format: Format; name: string; bytes: Uint8Array; signal?: AbortSignal }): Promise<Parsed>;
  /** Ends all processes, with the documents they are at. */
  close(): Promise<void>;
}

/**
 * A pool of warm parser processes. A document that crashes its parser, loops, or eats memory costs
 * that process and nothing else: the next document gets a fresh one.
 *
 * Processes, not threads: a thread that runs out of memory takes its process with it.
 */
export function openParsePool(options: ParsePoolOptions): ParsePool {
  const { modulePath = new URL('./parse-child.ts', import.meta.url), concurrency, ocr } = options;
  const processes = new Set<ParseProcess>();
  const idle: ParseProcess[] = [];
  const closing = new AbortController();
  const slots = createSlots(concurrency);

  const take = (): ParseProcess => {
    for (let candidate = idle.pop(); candidate !== undefined; candidate = idle.pop()) {
      if (candidate.isFit()) return candidate;
      discard(candidate);
    }
    const started = startParseProcess({ ...options, modulePath });
    processes.add(started);
    return started;
  };
  const discard = (process: ParseProcess): void => {
    void process.stop().finally(() => processes.delete(process));
  };

  return {
    async parse({ format, name, bytes, signal: caller }) {
      const signal = AbortSignal.any([closing.signal, ...(caller ? [caller] : [])]);
      await slots.acquire(signal);
      try {
        const process = take();
        try {
          return await process.parse({ format, name, bytes, ocr }, signal);
        } finally {
          if (process.isFit()) idle.push(process);
          else discard(process);
        }
      } finally {
        slots.release();
      }
    },
    async close() {
      closing.abort(new Error('the parse pool is closed'));
      await Promise.all([...processes].map((process) => process.stop()));
    },
  };
}

/** A semaphore, first come, first served. */
function createSlots(count: number) {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    /** Rejects with the signal's reason when it aborts before there is a slot. */
    async acquire(signal: AbortSignal): Promise<void> {
      signal.throwIfAborted();
      if (free > 0) {
        free--;
        return;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = () => {
        waiting.splice(waiting.indexOf(resolve), 1);
        reject(signal.reason);
      };
      waiting.push(resolve);
      signal.addEventListener('abort', onAbort, { once: true });
      await promise.finally(() => signal.removeEventListener('abort', onAbort));
    },
    release(): void {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    },
  };
}

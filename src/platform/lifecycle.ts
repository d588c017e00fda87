import { setTimeout as delay } from 'node:timers/promises';
import { closeLogger, type Logger } from './logger.ts';
import { withTimeout } from './timeout.ts';

/** Longest wait for a reader of the log that stands still, in ms. */
const LAST_LINES_MS = 2_000;

/** Ends one thing; may take its time, within the whole shutdown's limit. */
export type Closer = () => unknown;

/**
 * Order of ending: whoever opens a thing registers its closer there and then, and closing runs in
 * reverse, so that what was opened first (telemetry, the logger) is closed last.
 */
export interface Lifecycle {
  /** Registers a closer; once closing has begun, runs it at once. `name` is for the log. */
  onClose(name: string, close: Closer): void;
  /** Aborted when closing begins, so after the delay in which all is served as before: loops look at it. */
  readonly signal: AbortSignal;
  /** True once start-up has ended, shutdown or not. */
  readonly hasStarted: boolean;
  /** True after start-up, until the first moment of shutdown. */
  readonly ready: boolean;
  /** Says that start-up has ended. */
  started(): void;
  /** After the delay, runs every closer once, in reverse, past any that fails. True if all went well and in time. */
  close(): Promise<boolean>;
}

export interface LifecycleOptions {
  logger: Logger;
  /** Limit of the closing, in ms. The delay does not count. */
  timeoutMs: number;
  /** How long all is served as before while `ready` is false already: balancers need that long to notice. */
  delayMs: number;
}

export function createLifecycle({ logger, timeoutMs, delayMs }: LifecycleOptions): Lifecycle {
  const closers: { name: string; close: Closer }[] = [];
  const running = new Map<Promise<boolean>, string>();
  const stopping = new AbortController();
  let isStarted = false;
  let isStopping = false;
  let closing: Promise<boolean> | undefined;

  function run(name: string, close: Closer): Promise<boolean> {
    const done = timed(name, close, logger).finally(() => running.delete(done));
    running.set(done, name);
    return done;
  }

  async function closeAll(): Promise<boolean> {
    let clean = true;
    for (let next = closers.pop(); next; next = closers.pop()) {
      // What was registered late first: it may need what is closed next.
      const ended = await Promise.all([...running.keys(), run(next.name, next.close)]);
      clean &&= ended.every(Boolean);
    }
    return clean;
  }

  async function close(): Promise<boolean> {
    isStopping = true;
    // Nobody was sent to a process that is still starting.
    if (isStarted && delayMs > 0) await delay(delayMs);
    stopping.abort();
    return withTimeout(closeAll(), timeoutMs, () => new Error('shutdown took too long')).catch(() => {
      const stillOpen = [...running.values(), ...closers.map(({ name }) => name).reverse()];
      logger.error('shutdown took too long', { limitMs: timeoutMs, stillOpen });
      return false;
    });
  }

  return {
    onClose: (name, closer) => {
      if (stopping.signal.aborted) void run(name, closer);
      else closers.push({ name, close: closer });
    },
    signal: stopping.signal,
    get hasStarted() {
      return isStarted;
    },
    get ready() {
      return isStarted && !isStopping;
    },
    started: () => {
      isStarted = true;
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Runs one closer; false where it fails. */
async function timed(name: string, close: Closer, logger: Logger): Promise<boolean> {
  const began = performance.now();
  try {
    await close();
    logger.debug('closed', { part: name, ms: Math.round(performance.now() - began) });
    return true;
  } catch (error) {
    logger.error('could not close', { part: name, error });
    return false;
  }
}

/**
 * Ends the process on SIGTERM, SIGINT, or when the parent that holds an IPC channel to it is gone:
 * exit status 0 after a clean shutdown, 1 past its limit; a second signal ends it now.
 */
export function closeOnSignals(lifecycle: Lifecycle, logger: Logger): void {
  let signals = 0;
  const end = async (reason: string) => {
    signals += 1;
    if (signals > 1) process.exit(1);
    logger.info('shutting down', { reason });
    const clean = await lifecycle.close();
    // Past the limit, what still closes may still log.
    if (clean) await Promise.race([closeLogger(logger), delay(LAST_LINES_MS)]);
    process.exit(clean ? 0 : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));
  process.once('disconnect', () => void end('parent gone'));
}

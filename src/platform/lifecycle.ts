import type { Logger } from './logger.ts';

/** Ends one thing; may take its time, within the whole shutdown's limit. */
export type Closer = () => unknown;

/**
 * Order of ending: whoever opens a thing registers its closer there and then, and closing runs in
 * reverse, so that what was opened first (telemetry, the logger) is closed last.
 */
export interface Lifecycle {
  /** Registers a closer. `name` is for the log. */
  onClose(name: string, close: Closer): void;
  /** Aborted from the first moment of shutdown: readiness and loops look at it. */
  readonly signal: AbortSignal;
  /** True once start-up has ended, shutdown or not. */
  readonly hasStarted: boolean;
  /** True after start-up, until shutdown starts. */
  readonly ready: boolean;
  /** Says that start-up has ended. */
  started(): void;
  /** Runs every closer once, in reverse, past any that fails. True if all went well and in time. */
  close(): Promise<boolean>;
}

/** @param options.timeoutMs limit of the whole shutdown. */
export function createLifecycle(options: { logger: Logger; timeoutMs: number }): Lifecycle {
  const closers: { name: string; close: Closer }[] = [];
  const stopping = new AbortController();
  let isStarted = false;
  let closing: Promise<boolean> | undefined;

  async function closeAll(): Promise<boolean> {
    stopping.abort();
    let clean = true;
    for (let next = closers.pop(); next; next = closers.pop()) {
      try {
        await next.close();
      } catch (error) {
        clean = false;
        options.logger.error('could not close', { part: next.name, error });
      }
    }
    return clean;
  }

  return {
    onClose: (name, close) => void closers.push({ name, close }),
    signal: stopping.signal,
    get hasStarted() {
      return isStarted;
    },
    get ready() {
      return isStarted && !stopping.signal.aborted;
    },
    started: () => {
      isStarted = true;
    },
    close: () => {
      closing ??= Promise.race([closeAll(), expiry(options.timeoutMs)]);
      return closing;
    },
  };
}

function expiry(timeoutMs: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), timeoutMs).unref());
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
    process.exit((await lifecycle.close()) ? 0 : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));
  process.once('disconnect', () => void end('parent gone'));
}

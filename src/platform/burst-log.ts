import { errorType } from './errors.ts';
import type { Logger } from './logger.ts';

/** Tells of trouble that repeats, such as a server that is away, in two lines however often it strikes. */
export interface BurstLog {
  /** Logs the first failure of a burst and counts the rest. */
  failed(error: unknown): void;
  /** Ends a burst, if there is one, with a line that says how long it took and how often it struck. */
  recovered(): void;
}

export interface BurstLogOptions {
  logger: Logger;
  /** What is in trouble, e.g. `redis`. */
  subject: string;
  /** Further fields of both lines. */
  fields?: Record<string, unknown>;
  /** After a recovery, failures open no new burst for this long: one that comes and goes is no storm either. */
  quietMs?: number;
  /** What is wrong, in words that quote nothing, where it is known: told once in a burst, beside its first line. */
  describe?: (error: unknown) => string | undefined;
  /** Whether another problem within a burst is told of, too: not where one and the same trouble shows in many ways. */
  tells?: 'first problem' | 'each problem';
}

/** Lines carry the code of an error, never its message: that may quote what was sent. */
export function burstLog({
  logger,
  subject,
  fields = {},
  quietMs = 10_000,
  describe,
  tells = 'each problem',
}: BurstLogOptions): BurstLog {
  let failures = 0;
  let openSince: number | undefined;
  let quietUntil = 0;
  const told = new Set<string>();
  return {
    failed(error) {
      failures += 1;
      const problem = describe?.(error);
      const isQuiet = performance.now() < quietUntil;
      if (openSince === undefined && !isQuiet) told.clear();
      // Another problem is another line, however soon after the last.
      const isNews = tells === 'each problem' && problem !== undefined && !told.has(problem);
      if ((openSince !== undefined || isQuiet) && !isNews) return;
      openSince ??= performance.now();
      if (problem !== undefined) told.add(problem);
      logger.warn(`${subject} fails`, { ...fields, errorType: errorType(error), ...(problem && { problem }) });
    },
    recovered() {
      if (openSince === undefined) return;
      const seconds = Math.round((performance.now() - openSince) / 1000);
      logger.info(`${subject} works again`, { ...fields, failures, seconds });
      failures = 0;
      openSince = undefined;
      quietUntil = performance.now() + quietMs;
    },
  };
}

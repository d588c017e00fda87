import { ProcessingError } from '../documents/job.ts';
import { tooMuchComputing, tooMuchMemory } from './limit-errors.ts';
import type { ParseLimits } from './parse-limits.ts';
import type { Usage } from './process-usage.ts';

/** Where usage is asked of `ps`, each question is a process. */
const CHECK_EVERY_MS = process.platform === 'linux' ? 100 : 500;
/** A longer gap between two checks is this process's own, frozen or suspended: it is not the document's time. */
const LONGEST_STEP_MS = 1000;

export interface ParseWatchOptions {
  limits: ParseLimits;
  /** Of the parser's process. */
  usage(): Promise<Usage | undefined>;
  /** Told once, of the limit that a document went past. */
  onExceeded(error: ProcessingError): void;
}

export interface ParseWatch {
  /** Begins to count time and computing anew. */
  restart(): void;
  stop(): void;
}

/** Watches a parser's process from outside: whatever it is busy with, it can't keep this from ending it. */
export function watchParse({ limits, usage, onExceeded }: ParseWatchOptions): ParseWatch {
  let waitedMs = 0;
  let checkedAt = performance.now();
  let cpuBefore: number | undefined;
  let isStopped = false;
  let isAsking = false;

  async function check(): Promise<void> {
    const now = performance.now();
    waitedMs += Math.min(now - checkedAt, LONGEST_STEP_MS);
    checkedAt = now;
    if (isAsking) return;
    isAsking = true;
    const used = await usage();
    isAsking = false;
    if (isStopped) return;
    if (used !== undefined) cpuBefore ??= used.cpuMs;
    const error = exceeded(limits, {
      waitedMs,
      cpuMs: (used?.cpuMs ?? 0) - (cpuBefore ?? 0),
      rssBytes: used?.rssBytes ?? 0,
    });
    if (error === undefined) return;
    stop();
    onExceeded(error);
  }

  const timer = setInterval(() => void check(), CHECK_EVERY_MS);
  const stop = () => {
    isStopped = true;
    clearInterval(timer);
  };
  void check();
  return {
    restart() {
      waitedMs = 0;
      checkedAt = performance.now();
      cpuBefore = undefined;
    },
    stop,
  };
}

function exceeded(
  { wallMs, cpuMs, memoryMb }: ParseLimits,
  taken: { waitedMs: number; cpuMs: number; rssBytes: number },
): ProcessingError | undefined {
  if (taken.rssBytes > memoryMb * 1024 * 1024) return tooMuchMemory(memoryMb);
  if (taken.cpuMs > cpuMs) return tooMuchComputing(cpuMs);
  if (taken.waitedMs <= wallMs) return undefined;
  const message = `Reading the document took longer than ${Math.ceil(wallMs / 1000)} seconds.`;
  // Retryable: it did not compute all that time, so a busy machine was at fault. It counts as an attempt, so it ends.
  return new ProcessingError('PARSE_TIMEOUT', message, { retryable: true });
}

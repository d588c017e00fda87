/** What a backend does beside its requests, for as long as it runs: a list of tasks, each on its own. */
import { setTimeout } from 'node:timers/promises';
import { metrics, trace } from '@opentelemetry/api';
import { burstLog } from './burst-log.ts';
import { errorType } from './errors.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { markFailed } from './mark-failed.ts';
import { postgresProblem } from './postgres-problems.ts';
import { untraced } from './untraced.ts';

/** Something that is to be done again and again. Whether one backend does it, or each, is the task's own affair. */
export interface Task {
  /** Few and fixed: a label. */
  name: string;
  /** From the end of one run to the start of the next, in ms. */
  everyMs: number;
  /** @returns how many things it did: a run that found nothing to do leaves no span. */
  run(): Promise<number>;
}

const meter = metrics.getMeter('ragbase.housekeeping');
const duration = meter.createHistogram('housekeeping_duration_seconds', {
  description: 'Time that a run of a housekeeping task took',
  unit: 's',
  advice: { explicitBucketBoundaries: [0.01, 0.05, 0.1, 0.5, 1, 5, 30] },
});
const failures = meter.createCounter('housekeeping_failures_total', {
  description: 'Runs of a housekeeping task that failed',
});

/** Begins to run the tasks, and registers how they end: each finishes the run that it is at. */
export function startHousekeeping(
  tasks: readonly Task[],
  { logger, lifecycle }: { logger: Logger; lifecycle: Lifecycle },
): void {
  const running = untraced(() => Promise.all(tasks.map((task) => repeat(task, logger, lifecycle.signal))));
  lifecycle.onClose('housekeeping', () => running);
}

async function repeat(task: Task, logger: Logger, signal: AbortSignal): Promise<void> {
  const log = burstLog({ logger, subject: 'housekeeping', fields: { task: task.name }, describe: postgresProblem });
  failures.add(0, { task: task.name });
  while (!signal.aborted) {
    try {
      await runOnce(task);
      log.recovered();
    } catch (error) {
      failures.add(1, { task: task.name });
      log.failed(error);
    }
    // Ends early when aborted.
    await setTimeout(task.everyMs, undefined, { signal }).catch(() => undefined);
  }
}

async function runOnce(task: Task): Promise<void> {
  const startTime = Date.now();
  const started = performance.now();
  const span = () => trace.getTracer('ragbase.housekeeping').startSpan(`housekeeping ${task.name}`, { startTime });
  try {
    if ((await task.run()) > 0) span().end();
  } catch (error) {
    const failed = span();
    markFailed(failed, errorType(error));
    failed.end();
    throw error;
  } finally {
    duration.record((performance.now() - started) / 1000, { task: task.name });
  }
}

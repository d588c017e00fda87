import { LANES, type Lane } from '../documents/formats.ts';
import { type Job, jobSchema, queueName } from '../documents/job.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { type Consumer, openConsumer } from '../platform/queue-consumer.ts';
import { withTimeout } from '../platform/timeout.ts';

export interface LanesOptions {
  redisUrl: string;
  /** Documents at a time, by lane. */
  concurrency: Record<Lane, number>;
  logger: Logger;
  lifecycle: Lifecycle;
  /** Must resolve whatever becomes of the job. */
  onJob: (job: Job, context: { lane: Lane; signal: AbortSignal }) => Promise<void>;
}

/** At shutdown, documents that are nearly done may end; the others are handed back. */
const GRACE_MS = 5_000;
const HAND_BACK_MS = 5_000;

export interface Lanes {
  /** Begins to take jobs. */
  open(): void;
  /** Takes no more jobs, and hands those in the works back at once. */
  pause(): Promise<void>;
  /** Whether the queues answer; false while none is open. */
  ready(): Promise<boolean>;
  /** Jobs in the works. */
  active(lane: Lane): number;
  /** Jobs that wait for a worker. */
  waiting(lane: Lane): Promise<number>;
}

/** Takes jobs from every lane once it is open, each with hands of its own, so that heavy documents never delay light ones. */
export function openLanes(options: LanesOptions): Lanes {
  const running = new Map<string, Promise<void>>();
  const openLane = (lane: Lane) =>
    openConsumer({
      name: queueName(lane),
      redisUrl: options.redisUrl,
      concurrency: options.concurrency[lane],
      logger: options.logger,
      onJob: async (data, { id, signal }) => {
        // A queue that took this process for dead may give it a job that it has.
        if (running.has(id)) return running.get(id);
        const work = options.onJob(jobSchema.parse(data), { lane, signal }).finally(() => running.delete(id));
        running.set(id, work);
        return work;
      },
    });
  let consumers: Record<Lane, Consumer> | undefined;

  async function close(graceMs: number): Promise<void> {
    const closing = consumers;
    consumers = undefined;
    if (!closing) return;
    await Promise.all(LANES.map((lane) => closing[lane].stop(graceMs)));
    // What was handed back is still telling the backend so.
    const told = Promise.allSettled(running.values());
    await withTimeout(told, HAND_BACK_MS, () => new Error('jobs are still running')).catch(() => undefined);
  }

  options.lifecycle.onClose('queues', () => close(GRACE_MS));
  return {
    open: () => {
      if (!options.lifecycle.signal.aborted) consumers ??= { fast: openLane('fast'), heavy: openLane('heavy') };
    },
    pause: () => close(0),
    ready: async () => {
      const open = consumers;
      return open !== undefined && (await Promise.all(LANES.map((lane) => open[lane].ready()))).every(Boolean);
    },
    active: (lane) => consumers?.[lane].active() ?? 0,
    waiting: async (lane) => (await consumers?.[lane].waiting()) ?? 0,
  };
}

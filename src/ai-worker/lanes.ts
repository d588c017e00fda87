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
  ready(): Promise<boolean>;
  /** Jobs in the works. */
  active(lane: Lane): number;
  /** Jobs that wait for a worker. */
  waiting(lane: Lane): Promise<number>;
}

/** Takes jobs from every lane, each with hands of its own, so that heavy documents never delay light ones. */
export function openLanes(options: LanesOptions): Lanes {
  const running = new Map<string, Promise<void>>();
  const open = (lane: Lane) =>
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
  const byLane: Record<Lane, Consumer> = { fast: open('fast'), heavy: open('heavy') };
  const consumers = LANES.map((lane) => byLane[lane]);
  options.lifecycle.onClose('queues', async () => {
    await Promise.all(consumers.map((consumer) => consumer.stop(GRACE_MS)));
    // What was handed back is still telling the backend so.
    const told = Promise.allSettled(running.values());
    await withTimeout(told, HAND_BACK_MS, () => new Error('jobs are still running')).catch(() => undefined);
  });
  return {
    ready: async () => (await Promise.all(consumers.map((consumer) => consumer.ready()))).every(Boolean),
    active: (lane) => byLane[lane].active(),
    waiting: (lane) => byLane[lane].waiting(),
  };
}

import { LANES, type Lane } from '../documents/formats.ts';
import { type Job, jobSchema, queueName } from '../documents/job.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { type Consumer, openConsumer } from '../platform/queue-consumer.ts';
import type { RedisUrl } from '../platform/redis.ts';
import { withTimeout } from '../platform/timeout.ts';

export interface LanesOptions {
  redisUrl: RedisUrl;
  /** Documents at a time, by lane. */
  concurrency: Record<Lane, number>;
  logger: Logger;
  lifecycle: Lifecycle;
  /** Must resolve whatever becomes of the job. */
  onJob: (job: Job, context: { lane: Lane; signal: AbortSignal }) => Promise<void>;
  /** Opens what a lane has beside the hands that take jobs, given whether those are full; answers how it is closed. */
  openHandsForOthers: (lane: Lane, areFull: () => boolean) => (graceMs: number) => Promise<void>;
}

/** One lane that takes jobs. */
interface OpenLane {
  consumer: Consumer;
  closeHandsForOthers: (graceMs: number) => Promise<void>;
}

/** At shutdown, documents that are nearly done may end; the others are handed back. */
const GRACE_MS = 5_000;
const HAND_BACK_MS = 5_000;

export interface Lanes {
  /** Begins to take jobs. */
  open(): void;
  /** Takes no more jobs, and hands those in the works back at once. */
  pause(): Promise<void>;
  /** Whether the queues answer; while none is open, nothing is asked of them. */
  ready(): Promise<boolean>;
  /** Jobs in the works. */
  active(lane: Lane): number;
  /** Jobs that wait for a worker. */
  waiting(lane: Lane): Promise<number>;
}

/** Takes jobs from every lane once it is open, each with hands of its own, so that heavy documents never delay light ones. */
export function openLanes(options: LanesOptions): Lanes {
  const running = new Map<string, Promise<void>>();
  const openLane = (lane: Lane): OpenLane => {
    const concurrency = options.concurrency[lane];
    const consumer = openConsumer({
      name: queueName(lane),
      redisUrl: options.redisUrl,
      concurrency,
      logger: options.logger,
      onJob: async (data, { id, signal }) => {
        // A queue that took this process for dead may give it a job that it has.
        if (running.has(id)) return running.get(id);
        const work = options.onJob(jobSchema.parse(data), { lane, signal }).finally(() => running.delete(id));
        running.set(id, work);
        return work;
      },
    });
    const closeHandsForOthers = options.openHandsForOthers(lane, () => consumer.active() >= concurrency);
    return { consumer, closeHandsForOthers };
  };
  let lanes: Record<Lane, OpenLane> | undefined;

  async function close(graceMs: number): Promise<void> {
    const closing = lanes;
    lanes = undefined;
    if (!closing) return;
    const othersClosed = LANES.map((lane) => closing[lane].closeHandsForOthers(graceMs));
    await Promise.all(LANES.map((lane) => closing[lane].consumer.stop(graceMs)));
    // What was handed back is still telling the backend so.
    const told = Promise.allSettled([...running.values(), ...othersClosed]);
    await withTimeout(told, HAND_BACK_MS, () => new Error('jobs are still running')).catch(() => undefined);
  }

  options.lifecycle.onClose('queues', () => close(GRACE_MS));
  return {
    open: () => {
      if (!options.lifecycle.signal.aborted) lanes ??= { fast: openLane('fast'), heavy: openLane('heavy') };
    },
    pause: () => close(0),
    ready: async () => {
      const open = lanes;
      return open === undefined || (await Promise.all(LANES.map((lane) => open[lane].consumer.ready()))).every(Boolean);
    },
    active: (lane) => lanes?.[lane].consumer.active() ?? 0,
    waiting: async (lane) => (await lanes?.[lane].consumer.waiting()) ?? 0,
  };
}

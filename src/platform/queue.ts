import { setTimeout as delay } from 'node:timers/promises';
import type { Context, Link } from '@opentelemetry/api';
import type BeeQueue from 'bee-queue';
import { type BurstLog, burstLog } from './burst-log.ts';
import { errorType } from './errors.ts';
import type { Logger } from './logger.ts';
import { openQueueConnection } from './queue-connection.ts';
import { type Envelope, traceSend } from './queue-tracing.ts';
import type { RedisUrl } from './redis.ts';
import { RedisTimeoutError } from './redis-command.ts';
import { describeRefusal } from './redis-words.ts';
import { withTimeout } from './timeout.ts';

/** What is to be put on a queue. */
export interface OutgoingJob {
  /** The caller's own, the same at every repetition: Redis counts from 1 again after it lost its data. */
  id: string;
  /** Anything that JSON can hold. */
  data: unknown;
  /** Not to be worked on before. */
  delayUntil?: Date;
  /** The trace that the job belongs to; the active one by default. */
  parent?: Context;
  /** Other traces that had a hand in it. */
  links?: Link[];
}

/** Jobs by where they stand. Those that ended are not kept, so `succeeded` and `failed` stay 0. */
export interface QueueCounts {
  waiting: number;
  active: number;
  succeeded: number;
  failed: number;
  delayed: number;
}

/** The sending side of a queue. */
export interface Producer {
  readonly name: string;
  /**
   * Puts a job on the queue. `duplicate`: one of this id is there already, waiting, delayed or active.
   * @throws QueueUnavailableError at once while Redis is down, after `saveTimeoutMs` if it gives no
   *   answer. The job may be on the queue all the same: send it again, with the same id.
   */
  send(job: OutgoingJob): Promise<'queued' | 'duplicate'>;
  /** @throws QueueUnavailableError as `send` does. */
  counts(): Promise<QueueCounts>;
  /** Whether Redis takes jobs, tried within `timeoutMs` (500). Never rejects. */
  ready(timeoutMs?: number): Promise<boolean>;
  /** Ends the connection after what is under way, by force after `timeoutMs`. Never rejects. */
  close(timeoutMs: number): Promise<void>;
}

export interface ProducerOptions {
  name: string;
  redisUrl: RedisUrl;
  logger: Logger;
  /** Longest that `send` and `counts` take. */
  saveTimeoutMs?: number;
}

/** The queue takes no jobs now. Without a cause, as node_redis puts what was sent on its errors. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError';
  readonly code = 'QUEUE_UNAVAILABLE';
  /** Code of the error below, e.g. `NR_CLOSED` (no connection), `REDIS_TIMEOUT`, `OOM`. */
  readonly reason: string;

  constructor(reason: string) {
    super(`the queue takes no jobs: ${reason}`);
    this.reason = reason;
  }
}

/** Opens the sending side of a queue. Redis need not be there yet. */
export function openProducer({ name, redisUrl, logger, saveTimeoutMs = 1000 }: ProducerOptions): Producer {
  const log = burstLog({
    logger,
    subject: 'queue',
    fields: { queue: name, side: 'producer' },
    describe: describeRefusal,
  });
  // Apart: that they can't be counted says nothing of whether jobs are taken.
  const countsLog = burstLog({ logger, subject: 'queue size', fields: { queue: name }, describe: describeRefusal });
  const connection = openQueueConnection({ name, redisUrl, role: 'producer', stallIntervalMs: 5000, log });
  const { queue } = connection;

  /** Within `saveTimeoutMs`, or as our own error. */
  async function bounded<T>(work: (deadline: number) => Promise<T>, told: BurstLog): Promise<T> {
    const timeout = () => new RedisTimeoutError('no answer in time');
    try {
      const result = await withTimeout(work(Date.now() + saveTimeoutMs), saveTimeoutMs, timeout);
      told.recovered();
      return result;
    } catch (error) {
      if (!isOfRedis(error)) throw error;
      told.failed(error);
      throw new QueueUnavailableError(errorType(error));
    }
  }

  return {
    name,
    send: ({ id, data, delayUntil, parent, links }) =>
      traceSend({ queue: name, id }, { parent, links }, async (traceContext) => {
        const job = () =>
          queue
            .createJob({ data, traceContext })
            .setId(id)
            .delayUntil(delayUntil ?? 0);
        const savedId = await bounded((deadline) => saveSurely(job, deadline), log);
        return savedId === null ? 'duplicate' : 'queued';
      }),
    counts: () =>
      bounded(async () => {
        const { waiting, active, succeeded, failed, delayed } = await queue.checkHealth();
        return { waiting, active, succeeded, failed, delayed };
      }, countsLog),
    ready: (timeoutMs = 500) => connection.works(timeoutMs),
    close: (timeoutMs) => connection.close(timeoutMs),
  };
}

/**
 * Saves a job; where the connection breaks before the answer, so that nobody knows whether it was
 * saved, again until `deadline`. Its id makes that safe.
 * @returns the id, or null if there is a job of this id already.
 */
async function saveSurely(createJob: () => BeeQueue.Job<Envelope>, deadline: number): Promise<string | null> {
  for (let isUncertain = false; ; ) {
    try {
      return (await createJob().save()).id;
    } catch (error) {
      isUncertain ||= errorType(error) === 'UNCERTAIN_STATE';
      if (!isUncertain || !isOfRedis(error) || Date.now() >= deadline) throw error;
      await delay(50);
    }
  }
}

/** Errors of Redis and of the way there have a code; those of a mistake of ours, such as data that is no JSON, have none. */
function isOfRedis(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}

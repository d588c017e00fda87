import { setTimeout as delay } from 'node:timers/promises';
import type BeeQueue from 'bee-queue';
import { burstLog } from './burst-log.ts';
import type { Logger } from './logger.ts';
import { openQueueConnection, type QueueConnection } from './queue-connection.ts';
import { type Envelope, openEnvelope, traceProcess } from './queue-tracing.ts';
import type { RedisUrl } from './redis.ts';
import { sendCommand } from './redis-command.ts';
import { describeRefusal } from './redis-words.ts';
import { untraced } from './untraced.ts';

/** What a handler is told of its job beside the data. */
export interface JobContext {
  id: string;
  /** Aborted when the job is handed back: another will do it, and what is done for it from now on is in vain. */
  signal: AbortSignal;
}

export interface ConsumerOptions {
  name: string;
  redisUrl: RedisUrl;
  /** Jobs at a time. */
  concurrency: number;
  logger: Logger;
  /**
   * Works on one job. When it throws, the job has failed and is off the queue. It must bear being
   * called twice for one job: a process that falls silent for `stallIntervalMs` loses its jobs to others.
   */
  onJob(data: unknown, job: JobContext): Promise<void>;
  /** Without a sign of its process for this long, a job is given to another. Blocking the event loop is silence too. */
  stallIntervalMs?: number;
  /** How often delayed jobs that are due, and stalled ones, are looked for. */
  sweepIntervalMs?: number;
}

/** The working side of a queue. */
export interface Consumer {
  readonly name: string;
  /** Whether Redis takes and gives jobs, tried within `timeoutMs` (500). Never rejects. */
  ready(timeoutMs?: number): Promise<boolean>;
  /** Jobs in the works. */
  active(): number;
  /** Jobs that wait for any worker. @throws what node_redis throws, or RedisTimeoutError, while Redis is away. */
  waiting(): Promise<number>;
  /**
   * Takes no more jobs, gives those in the works `graceMs` to end, hands the others back to the queue
   * at once, and ends the connections. Never rejects; a second call awaits the first.
   */
  stop(graceMs: number): Promise<void>;
}

/** How long the handing back and the farewell may take. */
const CLOSE_MS = 1000;

/** Starts to work on the jobs of a queue. Redis need not be there yet. */
export function openConsumer(options: ConsumerOptions): Consumer {
  const { name, redisUrl, concurrency, logger, stallIntervalMs = 5000, sweepIntervalMs = 1000 } = options;
  const log = burstLog({
    logger,
    subject: 'queue',
    fields: { queue: name, side: 'consumer' },
    describe: describeRefusal,
  });
  const connection = openQueueConnection({ name, redisUrl, role: 'consumer', stallIntervalMs, log });
  const inTheWorks = new Map<AbortController, Promise<void>>();
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;

  async function work(job: BeeQueue.Job<Envelope>): Promise<void> {
    const handBack = new AbortController();
    const done = workOn(job, handBack.signal, options).finally(() => inTheWorks.delete(handBack));
    inTheWorks.set(handBack, done);
    return done;
  }

  async function stop(graceMs: number): Promise<void> {
    stopping.abort();
    const closed = connection.close(graceMs + CLOSE_MS);
    await Promise.race([Promise.allSettled(inTheWorks.values()), delay(graceMs, undefined, { ref: false })]);
    for (const handBack of inTheWorks.keys()) handBack.abort(new HandedBack());
    await closed;
  }

  untraced(() => {
    connection.queue.process(concurrency, work);
    void sweepRegularly(connection, { intervalMs: sweepIntervalMs, signal: stopping.signal });
  });
  return {
    name,
    ready: (timeoutMs = 500) => connection.works(timeoutMs),
    active: () => inTheWorks.size,
    waiting: async () => {
      const key = `bq:${name}:waiting`;
      return Number(await sendCommand(connection.client, ['LLEN', key], { timeoutMs: 1000 }));
    },
    stop: (graceMs) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

/** The reason of the abort when a job is handed back. */
class HandedBack extends Error {
  override readonly name = 'HandedBack';
  readonly code = 'JOB_HANDED_BACK';
  // bee-queue stores it with the job.
  override stack = '';
}

/** Runs the handler in the job's trace, until it ends or the job is handed back. */
async function workOn(
  job: BeeQueue.Job<Envelope>,
  signal: AbortSignal,
  { name, logger, onJob }: Pick<ConsumerOptions, 'name' | 'logger' | 'onJob'>,
): Promise<void> {
  const { data, traceContext } = openEnvelope(job.data);
  await traceProcess({ queue: name, id: job.id }, { traceContext }, async () => {
    try {
      await Promise.race([onJob(data, { id: job.id, signal }), rejectOnAbort(signal)]);
    } catch (error) {
      // A retry is how bee-queue puts a job from "active" back to "waiting", at once and in one step.
      if (signal.aborted) job.retries(1);
      else logger.error('job failed', { queue: name, jobId: job.id, error });
      throw error;
    }
  });
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function sweepRegularly(
  { sweep, log }: Pick<QueueConnection, 'sweep' | 'log'>,
  { intervalMs, signal }: { intervalMs: number; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await sweep().then(log.recovered, (error: unknown) => signal.aborted || log.failed(error));
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

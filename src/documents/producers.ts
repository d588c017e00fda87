import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { openProducer, type Producer, type QueueCounts } from '../platform/queue.ts';
import { observeQueues } from '../platform/queue-gauge.ts';
import type { RedisUrl } from '../platform/redis.ts';
import { LANES, type Lane } from './formats.ts';
import { queueName } from './job.ts';

export type Producers = Record<Lane, Producer>;

const CLOSE_MS = 2_000;

/** Opens the sending side of every lane, publishes its size, and registers how it is closed. */
export function openProducers(options: { redisUrl: RedisUrl; logger: Logger; lifecycle: Lifecycle }): Producers {
  const open = (lane: Lane) =>
    openProducer({ name: queueName(lane), redisUrl: options.redisUrl, logger: options.logger });
  const producers: Producers = { fast: open('fast'), heavy: open('heavy') };
  const stopObserving = observeQueues({
    queues: LANES.map((lane) => ({ labels: { lane }, counts: () => countIfThere(producers[lane]) })),
    refreshMs: 2_000,
  });
  options.lifecycle.onClose('queues', async () => {
    stopObserving();
    await Promise.all(LANES.map((lane) => producers[lane].close(CLOSE_MS)));
  });
  return producers;
}

/** A Redis that is not there yet, as at start, is no failure to log. */
async function countIfThere(producer: Producer): Promise<QueueCounts> {
  if (!(await producer.ready())) throw new Error('the queue is away');
  return producer.counts();
}

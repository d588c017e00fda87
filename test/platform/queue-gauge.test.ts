import assert from 'node:assert/strict';
import { openProducer, type Producer } from '../../src/platform/queue.ts';
import { observeQueues } from '../../src/platform/queue-gauge.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

describe('observeQueues', function () {
  this.timeout(30_000);
  const { logger } = memoryLogger();
  let redis: RedisServer;
  let telemetry: RecordedTelemetry;
  let producer: Producer;
  let stop: () => void;

  before(async () => {
    telemetry = recordTelemetry();
    redis = await openRedisServer();
    producer = openProducer({ name: 'errands', redisUrl: redis.url, logger, saveTimeoutMs: 200 });
    stop = observeQueues({
      queues: [{ labels: { lane: 'slow' }, counts: () => producer.counts() }],
      refreshMs: 20,
    });
  });
  after(async () => {
    stop?.();
    await producer?.close(500);
    await redis?.close();
    await telemetry?.stop();
  });

  /** Status, size and lane of each series. */
  const sizes = async () =>
    (await telemetry.points('processing_queue_size')).map(({ labels, value }) => [
      labels['status'],
      value,
      labels['lane'],
    ]);
  const size = async (status: string) => (await sizes()).find(([of]) => of === status)?.[1];

  it('shows a series for each status, with the labels of the caller', async () => {
    await until(() => producer.send({ id: 'a', data: {} }));
    await producer.send({ id: 'b', data: {}, delayUntil: new Date(Date.now() + 60_000) });
    await until(async () => (await size('delayed')) === 1 && (await size('waiting')) === 1);
    assert.deepEqual(await sizes(), [
      ['waiting', 1, 'slow'],
      ['active', 0, 'slow'],
      ['succeeded', 0, 'slow'],
      ['failed', 0, 'slow'],
      ['delayed', 1, 'slow'],
    ]);
  });

  it('shows no number rather than an old one while Redis is away', async () => {
    await redis.stop();
    await until(async () => Number.isNaN(await size('waiting')));
    await redis.start({ data: 'keep' });
    await until(async () => (await size('waiting')) === 1);
  });
});

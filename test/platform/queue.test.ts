import assert from 'node:assert/strict';
import { once } from 'node:events';
import { openProducer, type Producer } from '../../src/platform/queue.ts';
import { type Consumer, type ConsumerOptions, openConsumer } from '../../src/platform/queue-consumer.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

describe('queue', function () {
  this.timeout(30_000);
  const name = 'errands';
  const { logger, lines } = memoryLogger();
  const consumers: Consumer[] = [];
  let redis: RedisServer;
  let producer: Producer;

  before(async () => {
    redis = await openRedisServer();
    producer = openProducer({ name, redisUrl: redis.url, logger });
    await until(() => producer.ready());
  });
  after(async () => {
    await producer?.close(1000);
    await redis?.close();
  });
  beforeEach(() => redis.command('FLUSHALL'));
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.stop(0)));
    lines.length = 0;
  });

  /** A consumer with short intervals that is stopped after the test. */
  function consume(onJob: ConsumerOptions['onJob'], options: Partial<ConsumerOptions> = {}): Consumer {
    const consumer = openConsumer({
      name,
      redisUrl: redis.url,
      concurrency: 2,
      logger,
      stallIntervalMs: 400,
      sweepIntervalMs: 50,
      onJob,
      ...options,
    });
    consumers.push(consumer);
    return consumer;
  }

  /** Takes jobs and never ends one. */
  const never = () => new Promise<void>(() => undefined);

  const isEmpty = async () => Object.values(await producer.counts()).every((count) => count === 0);

  it('carries data to the handler and leaves nothing behind', async () => {
    const seen: unknown[] = [];
    await producer.send({ id: 'a', data: { text: 'Grüße 🦊', nested: [1, null] } });
    consume(async (data, { id }) => void seen.push([id, data]));
    await until(() => seen.length === 1);
    assert.deepEqual(seen, [['a', { text: 'Grüße 🦊', nested: [1, null] }]]);
    await until(isEmpty);
    assert.equal(await redis.command('HLEN', `bq:${name}:jobs`), 0);
  });

  it('knows a job that waits, is delayed or active by its id', async () => {
    assert.equal(await producer.send({ id: 'a', data: 1 }), 'queued');
    assert.equal(await producer.send({ id: 'a', data: 2 }), 'duplicate');
    assert.equal(await producer.send({ id: 'b', data: 1, delayUntil: new Date(Date.now() + 60_000) }), 'queued');
    assert.equal(await producer.send({ id: 'b', data: 2 }), 'duplicate');
    assert.deepEqual(await producer.counts(), { waiting: 1, active: 0, succeeded: 0, failed: 0, delayed: 1 });
    const consumer = consume(never);
    await until(() => consumer.active() === 1);
    assert.equal(await producer.send({ id: 'a', data: 3 }), 'duplicate');
  });

  it('takes the id of a job that has ended for a new one', async () => {
    const seen: unknown[] = [];
    consume(async (data) => void seen.push(data));
    await producer.send({ id: 'a', data: 1 });
    await until(async () => seen.length === 1 && (await isEmpty()));
    assert.equal(await producer.send({ id: 'a', data: 2 }), 'queued');
    await until(() => seen.length === 2);
  });

  it('lets a delayed job in when it is due, and not before', async () => {
    const dueAt = Date.now() + 400;
    let ranAt = 0;
    consume(async () => {
      ranAt = Date.now();
    });
    await producer.send({ id: 'later', data: {}, delayUntil: new Date(dueAt) });
    assert.equal((await producer.counts()).delayed, 1);
    await until(() => ranAt > 0);
    assert.ok(ranAt >= dueAt);
  });

  it('drops a job whose handler throws, says so once, and goes on', async () => {
    const seen: string[] = [];
    consume(async (_data, { id }) => {
      seen.push(id);
      if (id === 'bad') throw new TypeError('secret text');
    });
    await producer.send({ id: 'bad', data: {} });
    await producer.send({ id: 'good', data: {} });
    await until(async () => seen.length === 2 && (await isEmpty()));
    assert.deepEqual(seen.sort(), ['bad', 'good']);
    const logged = lines.filter((line) => line.level === 'error');
    assert.equal(logged.length, 1);
    assert.equal(logged[0]?.['jobId'], 'bad');
  });

  it('works on as many jobs at a time as it may, and no more', async () => {
    const consumer = consume(never, { concurrency: 3 });
    for (const id of ['a', 'b', 'c', 'd']) await producer.send({ id, data: {} });
    await until(() => consumer.active() === 3);
    assert.deepEqual(await producer.counts(), { waiting: 1, active: 3, succeeded: 0, failed: 0, delayed: 0 });
  });

  it('shares jobs among consumers, each to one', async () => {
    const seen: string[][] = [[], []];
    const ids = Array.from({ length: 40 }, (_, index) => `job-${index}`);
    for (const mine of seen)
      consume(async (_data, { id }) => {
        mine.push(id);
        await until(() => seen.every((theirs) => theirs.length > 0));
      });
    for (const id of ids) await producer.send({ id, data: {} });
    await until(isEmpty);
    assert.deepEqual(seen.flat().sort(), ids.sort());
  });

  it('refuses data that is no JSON as a mistake of ours, not as an outage', async () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    await assert.rejects(producer.send({ id: 'a', data: circular }), TypeError);
  });

  it('gives a job whose worker fell silent to another', async () => {
    // What a process that was killed leaves behind.
    await producer.send({ id: 'orphan', data: {} });
    await redis.command('RPOPLPUSH', `bq:${name}:waiting`, `bq:${name}:active`);
    const seen: string[] = [];
    consume(async (_data, { id }) => void seen.push(id));
    await until(() => seen.includes('orphan'));
    await until(isEmpty);
  });

  it('drops an id whose job is gone instead of passing it round for ever', async () => {
    await redis.command('LPUSH', `bq:${name}:waiting`, 'ghost');
    consume(async () => undefined);
    await until(isEmpty);
  });

  describe('stop', () => {
    it('lets a job in the works end, and takes no other', async () => {
      const finish = Promise.withResolvers<void>();
      const seen: string[] = [];
      const consumer = consume(
        (_data, { id }) => {
          seen.push(id);
          return finish.promise;
        },
        { concurrency: 1 },
      );
      await producer.send({ id: 'first', data: {} });
      await producer.send({ id: 'second', data: {} });
      await until(() => seen.length === 1);
      const stopped = consumer.stop(20_000);
      finish.resolve();
      await stopped;
      assert.deepEqual(seen, ['first']);
      assert.deepEqual(await producer.counts(), { waiting: 1, active: 0, succeeded: 0, failed: 0, delayed: 0 });
      assert.equal(await redis.command('LINDEX', `bq:${name}:waiting`, '0'), 'second');
    });

    it('hands back at once what does not end in time, and another consumer does it', async () => {
      const aborted: string[] = [];
      // So long that only handing back can bring it back within this test.
      const stallIntervalMs = 3_600_000;
      const consumer = consume(
        async (_data, { id, signal }) => {
          await once(signal, 'abort');
          aborted.push(id);
          throw new Error('gave up');
        },
        { stallIntervalMs },
      );
      await producer.send({ id: 'a', data: { page: 7 } });
      await until(() => consumer.active() === 1);
      await consumer.stop(0);
      assert.deepEqual(aborted, ['a']);
      assert.deepEqual(await producer.counts(), { waiting: 1, active: 0, succeeded: 0, failed: 0, delayed: 0 });
      const seen: unknown[] = [];
      consume(async (data) => void seen.push(data), { stallIntervalMs });
      await until(() => seen.length === 1);
      assert.deepEqual(seen, [{ page: 7 }]);
      await until(isEmpty);
    });

    it('does not wait for a handler that heeds no signal', async () => {
      const consumer = consume(never);
      await producer.send({ id: 'a', data: {} });
      await until(() => consumer.active() === 1);
      await consumer.stop(10);
      assert.equal((await producer.counts()).waiting, 1);
    });

    it('may be called twice, and leaves no connection open', async () => {
      const others = String(await redis.command('CLIENT', 'LIST'))
        .trim()
        .split('\n').length;
      const consumer = consume(async () => undefined);
      await until(() => consumer.ready());
      await Promise.all([consumer.stop(10), consumer.stop(10)]);
      assert.equal(await consumer.ready(), false);
      await until(
        async () =>
          String(await redis.command('CLIENT', 'LIST'))
            .trim()
            .split('\n').length === others,
      );
    });
  });
});

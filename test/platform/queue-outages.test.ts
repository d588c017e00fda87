import assert from 'node:assert/strict';
import { openProducer, type Producer, QueueUnavailableError } from '../../src/platform/queue.ts';
import { type Consumer, openConsumer } from '../../src/platform/queue-consumer.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

describe('queue in outages of Redis', function () {
  this.timeout(60_000);
  const name = 'errands';
  let redis: RedisServer;
  let producer: Producer;
  let consumer: Consumer;
  let seen: Set<string>;
  let log: ReturnType<typeof memoryLogger>;
  let sent = 0;

  afterEach(async () => {
    await Promise.all([producer?.close(500), consumer?.stop(0)]);
    await redis?.close();
  });

  /** Opens both sides, whatever the state of Redis. */
  function open(): void {
    const options = { name, redisUrl: redis.url };
    seen = new Set();
    log = memoryLogger();
    producer = openProducer({ ...options, logger: log.logger, saveTimeoutMs: 500 });
    consumer = openConsumer({
      ...options,
      logger: log.logger,
      concurrency: 2,
      stallIntervalMs: 400,
      sweepIntervalMs: 50,
      onJob: async (_data, { id }) => void seen.add(id),
    });
  }

  async function openOnRunningRedis(): Promise<void> {
    redis = await openRedisServer();
    open();
    await aJobGetsThrough();
  }

  /** Sends a job as a caller would who keeps the truth elsewhere: again and again until it has been done. */
  async function aJobGetsThrough(): Promise<void> {
    sent += 1;
    const id = `job-${sent}`;
    await until(async () => {
      await producer.send({ id, data: {} });
      return true;
    });
    await until(() => seen.has(id));
  }

  const outages: Record<string, () => Promise<void>> = {
    'restarts with its data': async () => {
      await redis.stop();
      await redis.start({ data: 'keep' });
    },
    'is killed and comes back with its data': async () => {
      await redis.kill();
      await redis.start({ data: 'keep' });
    },
    'is killed and comes back empty': async () => {
      await redis.kill();
      await redis.start({ data: 'discard' });
    },
    'is wiped': async () => {
      await redis.command('FLUSHALL');
      await redis.command('SCRIPT', 'FLUSH');
    },
  };
  for (const [what, happens] of Object.entries(outages)) {
    it(`goes on when Redis ${what}`, async () => {
      await openOnRunningRedis();
      await happens();
      await aJobGetsThrough();
      await until(() => producer.ready());
      await until(() => consumer.ready());
    });
  }

  it('starts while Redis is down, and works once it is up', async () => {
    redis = await openRedisServer({ down: true });
    open();
    assert.equal(await producer.ready(), false);
    assert.equal(await consumer.ready(), false);
    // At once, that is: for want of a connection, not of an answer.
    await assert.rejects(producer.send({ id: 'early', data: {} }), { code: 'QUEUE_UNAVAILABLE', reason: 'NR_CLOSED' });
    await assert.rejects(producer.counts(), { code: 'QUEUE_UNAVAILABLE' });
    await redis.start();
    await aJobGetsThrough();
  });

  it('loses no job that was acknowledged before a kill', async () => {
    redis = await openRedisServer();
    const { logger } = memoryLogger();
    producer = openProducer({ name, redisUrl: redis.url, logger });
    await until(() => producer.ready());
    const ids = Array.from({ length: 50 }, (_, index) => `kept-${index}`);
    await Promise.all(ids.map((id) => producer.send({ id, data: {} })));
    const later = new Date(Date.now() + 100);
    await producer.send({ id: 'delayed', data: {}, delayUntil: later });
    await redis.kill();
    await redis.start({ data: 'keep' });
    await producer.close(500);
    open();
    await until(() => seen.size === 51);
    assert.deepEqual([...seen].sort(), [...ids, 'delayed'].sort());
  });

  it('finishes or repeats a job that is in the works when Redis goes', async () => {
    redis = await openRedisServer();
    open();
    await consumer.stop(0);
    const release = Promise.withResolvers<void>();
    let runs = 0;
    consumer = openConsumer({
      name,
      redisUrl: redis.url,
      logger: log.logger,
      concurrency: 1,
      stallIntervalMs: 400,
      sweepIntervalMs: 50,
      onJob: async () => {
        runs += 1;
        await release.promise;
      },
    });
    await until(() => producer.ready());
    await producer.send({ id: 'long', data: {} });
    await until(() => runs === 1);
    await redis.kill();
    release.resolve();
    await redis.start({ data: 'keep' });
    await until(async () => Object.values(await producer.counts()).every((count) => count === 0));
    assert.ok(runs >= 1);
  });

  it('answers a sender in bounded time while Redis is frozen, and takes the job at most once', async () => {
    await openOnRunningRedis();
    redis.freeze();
    await assert.rejects(producer.send({ id: 'frozen', data: {} }), {
      code: 'QUEUE_UNAVAILABLE',
      reason: 'REDIS_TIMEOUT',
    });
    await assert.rejects(producer.counts(), { code: 'QUEUE_UNAVAILABLE' });
    assert.equal(await producer.ready(50), false);
    redis.thaw();
    await until(() => seen.has('frozen'));
    await aJobGetsThrough();
  });

  it('tells a sender why, without what was sent', async () => {
    await openOnRunningRedis();
    await redis.kill();
    const failure = await producer.send({ id: 'x', data: 'secret' }).then(assert.fail, (error: unknown) => error);
    assert.ok(failure instanceof QueueUnavailableError);
    assert.equal(failure.cause, undefined);
    assert.doesNotMatch(JSON.stringify([failure, failure.message, failure.stack]), /secret/);
  });

  it('sends again what broke off half-way, and sends it once', async () => {
    redis = await openRedisServer();
    const { logger } = memoryLogger();
    producer = openProducer({ name, redisUrl: redis.url, logger, saveTimeoutMs: 30_000 });
    await until(() => producer.ready());
    // It reaches a Redis that can't answer any more, and then the connection breaks: was it saved?
    redis.freeze();
    const sending = producer.send({ id: 'uncertain', data: {} });
    await redis.kill();
    await redis.start({ data: 'keep' });
    assert.match(await sending, /^(queued|duplicate)$/);
    assert.equal((await producer.counts()).waiting, 1);
  });

  it('ends in bounded time while Redis is frozen or down, and leaves no connection open', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((type) => type === 'TCPSocketWrap').length;
    redis = await openRedisServer();
    const before = sockets();
    open();
    await aJobGetsThrough();
    redis.freeze();
    await Promise.all([producer.close(200), consumer.stop(0)]);
    await until(() => sockets() <= before);
    redis.thaw();
    open();
    await redis.kill();
    await Promise.all([producer.close(200), consumer.stop(0)]);
    await until(() => sockets() <= before);
  });

  it('logs an outage in a few lines, however long it lasts', async () => {
    await openOnRunningRedis();
    await redis.kill();
    for (let attempt = 0; attempt < 100; attempt += 1) {
      await producer.send({ id: `lost-${attempt}`, data: {} }).catch(() => undefined);
    }
    await until(() => log.lines.length >= 2);
    await redis.start({ data: 'keep' });
    await aJobGetsThrough();
    await until(() => log.lines.filter((line) => line.message === 'queue works again').length === 2);
    const outage = log.lines.filter((line) => line.message === 'queue fails');
    assert.deepEqual(outage.map((line) => line['side']).sort(), ['consumer', 'producer']);
    assert.equal(log.lines.length, 4);
  });
});

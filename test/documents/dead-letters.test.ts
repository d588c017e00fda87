import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import express, { type Express } from 'express';
import request from 'supertest';
import { createAdmission } from '../../src/documents/admission.ts';
import { deadLetterEndpoints } from '../../src/documents/dead-letters.ts';
import { dispatchDue } from '../../src/documents/housekeeping.ts';
import { openProducers, type Producers } from '../../src/documents/producers.ts';
import { createQueueMonitor, type QueueMonitor } from '../../src/documents/queue-state.ts';
import { errorResponse } from '../../src/platform/error-response.ts';
import { createLifecycle, type Lifecycle } from '../../src/platform/lifecycle.ts';
import { mountEndpoints } from '../../src/platform/mount-endpoints.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { until } from '../support/until.ts';

const MAX_DEPTH = 1_500;

describe('dead letters', function suite() {
  this.timeout(60_000);
  const { logger } = memoryLogger();
  let redis: RedisServer;
  let database: TestDatabase;
  let lifecycle: Lifecycle;
  let producers: Producers;
  let monitor: QueueMonitor;
  let app: Express;
  beforeEach(async () => {
    redis = await openRedisServer();
    database = await openTestDatabase({ dimensions: 4 });
    lifecycle = createLifecycle({ logger, delayMs: 0, timeoutMs: 10_000 });
    producers = openProducers({ redisUrl: redis.url, logger, lifecycle });
    await until(() => producers.fast.ready());
    monitor = createQueueMonitor(database.pool);
    const admission = createAdmission({
      current: monitor.current,
      maxDepth: MAX_DEPTH,
      maxAgeMs: 3_600_000,
      maxHeldBytes: 1,
    });
    app = express();
    const endpoints = deadLetterEndpoints({ pool: database.pool, producers, logger, admission });
    mountEndpoints(app, endpoints, { jsonLimit: 100_000 });
    app.use(errorResponse({ logger }));
  });
  afterEach(async () => {
    await lifecycle.close();
    await database.close();
    await redis.close();
  });

  const given = async (count: number, { code = 'WORKER_CRASHED', collection = 'default', lane = 'fast' } = {}) => {
    const { rows } = await database.pool.query<{ id: string }>(
      `INSERT INTO documents (id, collection, name, format, lane, bytes, sha256, status, error_code, error_message, updated_at)
       SELECT gen_random_uuid(), $2, n || '.txt', 'txt', $4, 1, $5 || n, 'failed', $3, 'why', now() + n * interval '1 ms'
       FROM generate_series(1, $1::int) AS n RETURNING id`,
      [count, collection, code, lane, randomUUID()],
    );
    return rows.map(({ id }) => id);
  };
  const list = async (query: object) =>
    (await request(app).get('/api/v1/dead-letters').query(query)).body as {
      items: { id: string; error: object }[];
      totals: object;
    };
  const requeue = async (body: object) =>
    (await request(app).post('/api/v1/dead-letters/requeue').send(body).expect(202)).body;

  it('are listed with their reasons, and counted by code', async () => {
    await given(3);
    await given(2, { code: 'CORRUPT_FILE' });
    const [id] = await given(1, { collection: 'other' });
    const all = await list({ limit: 2 });
    assert.equal(all.items.length, 2);
    assert.deepEqual(all.totals, { WORKER_CRASHED: 4, CORRUPT_FILE: 2 });
    const other = await list({ collection: 'other' });
    assert.deepEqual(other.items.map((item) => [item.id, item.error]), [[id, { code: 'WORKER_CRASHED', message: 'why' }]]); // biome-ignore format: one thought
    assert.deepEqual(other.totals, { WORKER_CRASHED: 1 });
    assert.deepEqual((await list({ code: 'CORRUPT_FILE' })).totals, { CORRUPT_FILE: 2 });
  });

  it('are sent on their way by code, collection or id', async () => {
    const [first, second] = await given(3);
    await given(2, { code: 'CORRUPT_FILE' });
    await given(1, { collection: 'other' });
    assert.deepEqual(await requeue({ ids: [first, second] }), { requeued: 2, left: 0 });
    assert.deepEqual(await requeue({ collection: 'other', code: 'NO_TEXT' }), { requeued: 0, left: 0 });
    assert.deepEqual(await requeue({ collection: 'other' }), { requeued: 1, left: 0 });
    assert.deepEqual(await requeue({ code: 'CORRUPT_FILE' }), { requeued: 2, left: 0 });
    assert.equal((await producers.fast.counts()).waiting, 5);
    assert.deepEqual((await list({})).totals, { WORKER_CRASHED: 1 });
  });

  it('go as far as there is room, and the rest is said to be left', async () => {
    await given(2_000);
    await given(10, { lane: 'heavy' });
    await monitor.refresh();
    assert.deepEqual(await requeue({}), { requeued: MAX_DEPTH + 10, left: 500 });
    assert.deepEqual(await requeue({}), { requeued: 0, left: 500 });
    // What the request itself did not put on the queue, housekeeping does.
    const sent = async () => (await producers.fast.counts()).waiting;
    const atOnce = await sent();
    assert.ok(atOnce < MAX_DEPTH);
    await dispatchDue({ pool: database.pool, producers, logger });
    assert.equal(await sent(), atOnce + 500);
  });
});

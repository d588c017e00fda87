import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { jobId, queueName } from '../../src/documents/job.ts';
import { openProducer } from '../../src/platform/queue.ts';
import { type EmbeddingsServer, numbersAnswer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

describe('what is done twice, or undone meanwhile', function suite() {
  this.timeout(120_000);
  let redis: RedisServer;
  let provider: EmbeddingsServer;
  let service: Service;
  before(async () => {
    redis = await openRedisServer();
    provider = await startEmbeddingsServer();
    service = await startService({ ...provider.settings, REDIS_URL: redis.url });
  });
  after(async () => {
    await service?.stop();
    await provider?.close();
    await redis?.close();
  });

  const shown = async (response: Response) => (await response.json()) as ShownDocument;
  const reprocess = (id: string) => service.call(`/api/v1/documents/${id}/reprocess`, { method: 'POST' });
  const statusOf = async (id: string) => (await service.document(id)).status;
  /** By word alone: the provider is not asked. */
  const found = async (query: string) => {
    const response = await service.call('/api/v1/search', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, mode: 'keyword' }),
    });
    return ((await response.json()) as { results: { documentId: string; chunkId: string }[] }).results;
  };
  /** Holds the next document in the middle of its embedding, until it is let go. */
  function holdNext() {
    const arrived = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    provider.answers.push(async (body, response) => {
      arrived.resolve();
      await gate.promise;
      numbersAnswer(body, response);
    });
    return { arrived: arrived.promise, letGo: gate.resolve };
  }

  it('finds the old chunks of a document that is processed again, until the new are whole', async () => {
    const { id } = await shown(await service.upload('a.txt', 'a solitary kingfisher'));
    await service.settled(id);
    const before = await found('kingfisher');
    assert.deepEqual(before.map(({ documentId }) => documentId), [id]); // biome-ignore format: one thought

    const held = holdNext();
    assert.equal((await reprocess(id)).status, 202);
    await held.arrived;
    assert.deepEqual([await statusOf(id), await found('kingfisher')], ['processing', before]);
    assert.equal((await shown(await reprocess(id))).status, 'processing', 'asked once more, it goes on');
    held.letGo();

    const done = await service.settled(id);
    assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    const after = await found('kingfisher');
    assert.deepEqual(after.map(({ documentId }) => documentId), [id]); // biome-ignore format: one thought
    assert.notEqual(after[0]?.chunkId, before[0]?.chunkId);
  });

  it('keeps nothing of a document that is deleted while it is processed, and takes it again', async () => {
    const held = holdNext();
    const upload = () => service.upload('b.txt', 'a nocturnal nightjar');
    const { id } = await shown(await upload());
    await held.arrived;
    assert.equal((await service.call(`/api/v1/documents/${id}`, { method: 'DELETE' })).status, 204);
    const again = await upload();
    assert.equal(again.status, 202);
    const next = await shown(again);
    assert.equal((await service.settled(next.id)).status, 'completed');
    held.letGo();
    await until(() => service.lines.some((line) => line.includes('attempt dropped') && line.includes(id)));
    assert.deepEqual((await found('nightjar')).map(({ documentId }) => documentId), [next.id]); // biome-ignore format: one thought
    assert.equal((await service.call(`/api/v1/documents/${id}`)).status, 404);
  });

  it('does nothing for a job that comes again', async () => {
    const { id } = await shown(await service.upload('c.txt', `a job ${randomUUID()}`));
    const done = await service.settled(id);
    const asked = provider.requests.length;
    const producer = openProducer({ name: queueName('fast'), redisUrl: redis.url, ...memoryLogger() });
    try {
      for (const attempt of [1, 2, 3]) {
        const job = { documentId: id, attempt };
        await until(async () => (await producer.send({ id: jobId(job), data: job })) === 'queued');
      }
      await until(async () => {
        const { waiting, active } = await producer.counts();
        return waiting + active === 0;
      });
    } finally {
      await producer.close(1_000);
    }
    assert.deepEqual(await service.document(id), done);
    assert.equal(provider.requests.length, asked);
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  type Answer,
  type EmbeddingsServer,
  numbersAnswer,
  startEmbeddingsServer,
} from '../embeddings/embeddings-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

describe('documents of one who sends many', function suite() {
  this.timeout(120_000);
  let provider: EmbeddingsServer;
  let service: Service;
  let letGo: () => void;
  beforeEach(async () => {
    provider = await startEmbeddingsServer();
    const gate = Promise.withResolvers<void>();
    letGo = gate.resolve;
    // What is long takes until it is let go.
    const answer: Answer = async (body, response) => {
      if (body.input.some((text) => text.includes('long'))) await gate.promise;
      numbersAnswer(body, response);
    };
    provider.answers.push(...Array.from({ length: 1_000 }, () => answer));
    service = await startService({ ...provider.settings, API_KEY: 'ann,bob' });
  });
  afterEach(async () => {
    letGo();
    await service?.stop();
    await provider?.close();
  });

  const send = async (key: string, content: string, collection = 'default') => {
    const response = await service.call('/api/v1/documents', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a.txt', content: `${content} ${randomUUID()}`, collection }),
    });
    assert.equal(response.status, 202);
    return (await response.json()) as ShownDocument;
  };
  const flood = async (key: string) => {
    const ids: string[] = [];
    for (let sent = 0; sent < 8; sent += 1) ids.push((await send(key, 'long')).id);
    await until(() => provider.requests.length >= 2);
    return ids;
  };
  const isAtWork = async (ids: string[]) =>
    (await Promise.all(ids.map((id) => service.document(id)))).filter(({ status }) => status === 'processing').length;

  it('do not keep those of another key waiting, and all are done', async () => {
    const ids = await flood('ann');
    for (let sent = 0; sent < 5; sent += 1) {
      const { id, traceId } = await send('bob', 'short');
      const done = await service.settled(id);
      assert.deepEqual([done.status, done.attempts], ['completed', 1]);
      await until(() => service.traces.spans(traceId).some(({ name }) => name === 'process documents-fast'));
      const roots = service.traces.spans(traceId).filter(({ parentSpanId }) => parentSpanId === undefined);
      assert.deepEqual(roots.map(({ name }) => name), ['POST /api/v1/documents']); // biome-ignore format: one thought
    }
    assert.equal(await isAtWork(ids), 2, 'theirs are worked on meanwhile');
    letGo();
    for (const id of ids) assert.equal((await service.settled(id)).status, 'completed');
  });

  it('do not keep those of another collection waiting, where one key sends both', async () => {
    await flood('ann');
    const { id } = await send('ann', 'short', 'other');
    assert.equal((await service.settled(id)).status, 'completed');
  });

  it('leave a hand for another key, however many collections they are in', async () => {
    await flood('ann');
    for (let index = 0; index < 6; index += 1) await send('ann', 'long', `collection-${index}`);
    await until(() => provider.requests.length >= 3);
    const { id } = await send('bob', 'short');
    assert.equal((await service.settled(id)).status, 'completed');
  });
});

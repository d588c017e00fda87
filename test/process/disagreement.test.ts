import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddingsServer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { type StartedProcess, startProcess } from '../support/started-process.ts';
import { until } from '../support/until.ts';

const TOKEN = 'the-internal-token-of-this-test';

describe('an ai-worker of another model', function suite() {
  this.timeout(120_000);
  let redis: RedisServer;
  let provider: EmbeddingsServer;
  let service: Service;
  let folder: string;
  let other: StartedProcess;
  before(async () => {
    redis = await openRedisServer();
    provider = await startEmbeddingsServer();
    const settings = { ...provider.settings, REDIS_URL: redis.url, INTERNAL_TOKEN: TOKEN };
    service = await startService(settings);
    folder = await mkdtemp(join(tmpdir(), 'ragbase-'));
    other = await startProcess({
      entry: 'worker',
      env: {
        ...settings,
        EMBEDDING_MODEL: 'another',
        CALLBACK_URL: new URL(service.stack.metricsUrl).origin,
        RAGBASE_DATA_DIR: folder,
      },
    });
  });
  after(async () => {
    await other?.end();
    await service?.stop();
    await provider?.close();
    await redis?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is not ready, and says what to do', async () => {
    await until(() => other.lines.some(({ level }) => level === 'error'), 60_000);
    const [told, ...more] = other.lines.filter(({ level }) => level === 'error');
    assert.match(String(told?.['reason']), /embeds with another .* vectors of m .* EMBEDDING_ settings/);
    assert.deepEqual(more, []);
    const response = await other.call('/ready');
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as { checks: Record<string, boolean> }).checks['contract'], false);
  });

  it('leaves every document to the others, at no cost', async () => {
    for (let sent = 0; sent < 10; sent += 1) {
      const { id } = (await (await service.upload(`${sent}.txt`, randomUUID())).json()) as ShownDocument;
      const done = await service.settled(id);
      assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    }
    // One word tells it whether the provider is there.
    const embedded = provider.requests.filter(({ body }) => !body.input.includes('ready'));
    assert.deepEqual([...new Set(embedded.map(({ body }) => body.model))], ['m']);
  });

  it('is refused when it asks for one all the same', async () => {
    const claim = (body: object) =>
      fetch(new URL(`/internal/documents/${randomUUID()}/attempts`, service.stack.metricsUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ attempt: 1, worker: 'w', ...body }),
      });
    const space = { model: 'm', dimensions: 3 };
    assert.equal((await claim({ space: { ...space, model: 'another' } })).status, 412);
    assert.equal((await claim({ space: { ...space, dimensions: 4 } })).status, 412);
    assert.equal((await claim({ space, contract: { version: 99, oldest: 99 } })).status, 412);
    assert.equal((await claim({ space, contract: { version: 99, oldest: 2 } })).status, 404);
    assert.equal((await claim({})).status, 404, 'one of an earlier version does not say');
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { type EmbeddingsServer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { openPgliteDatabase, type TestDatabase } from '../support/pglite-database.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import type { ShownDocument } from '../support/service.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { type StartedProcess, startProcess } from '../support/started-process.ts';
import { until } from '../support/until.ts';

describe('a way from the ai-worker to the backend that breaks without a word', function suite() {
  this.timeout(180_000);
  let database: TestDatabase;
  let redis: RedisServer;
  let provider: EmbeddingsServer;
  let folder: string;
  let way: SeverableProxy;
  let backend: StartedProcess;
  let worker: StartedProcess;
  before(async () => {
    [database, redis, provider] = await Promise.all([openPgliteDatabase(), openRedisServer(), startEmbeddingsServer()]);
    folder = await mkdtemp(`${tmpdir()}/ragbase-`);
    const env = {
      ...provider.settings,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      RAGBASE_DATA_DIR: folder,
    };
    backend = await startProcess({ env });
    way = await openSeverableProxy(Number(new URL(backend.internalUrl).port));
    worker = await startProcess({ entry: 'worker', env: { ...env, CALLBACK_URL: `http://127.0.0.1:${way.port}` } });
    await backend.ready();
    await worker.ready();
  });
  after(async () => {
    await Promise.all([worker?.end('SIGKILL'), backend?.end('SIGKILL')]);
    way?.close();
    await Promise.all([provider?.close(), redis?.close(), database?.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  it('in the middle of a document’s bytes, they are asked for again before long', async () => {
    const content = randomBytes(1_500_000).toString('base64');
    const isLost = way.loseAfter(1_000_000);
    const response = await backend.call('/api/v1/documents', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a.txt', content }),
    });
    const { id } = (await response.json()) as ShownDocument;
    await isLost;
    way.mend();
    const shown = async () => (await (await backend.call(`/api/v1/documents/${id}`)).json()) as ShownDocument;
    // A minute is what others that wait here take at most: far below the limit of the whole download.
    await until(async () => (await shown()).status === 'completed', 60_000);
    assert.equal((await shown()).attempts, 1);
  });
});

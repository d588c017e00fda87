import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddingsServer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { openPgliteDatabase, type TestDatabase } from '../support/pglite-database.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import type { ShownDocument } from '../support/service.ts';
import { type StartedProcess, startProcess } from '../support/started-process.ts';
import { until } from '../support/until.ts';

const [OLD, NEW] = ['the-old-token-of-this-test', 'the-new-token-of-this-test'];

describe('the token between ai-worker and backend', function suite() {
  this.timeout(180_000);
  let database: TestDatabase;
  let redis: RedisServer;
  let provider: EmbeddingsServer;
  let folder: string;
  let backend: StartedProcess;
  let worker: StartedProcess;
  before(async () => {
    [database, redis, provider] = await Promise.all([openPgliteDatabase(), openRedisServer(), startEmbeddingsServer()]);
    folder = await mkdtemp(join(tmpdir(), 'ragbase-'));
    await writeFile(join(folder, 'token'), OLD);
    const env = {
      ...provider.settings,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      RAGBASE_DATA_DIR: folder,
      INTERNAL_TOKEN: undefined,
      INTERNAL_TOKEN_FILE: join(folder, 'token'),
    };
    backend = await startProcess({ env });
    worker = await startProcess({ entry: 'worker', env: { ...env, CALLBACK_URL: backend.internalUrl } });
    await backend.ready();
    await worker.ready();
  });
  after(async () => {
    await Promise.all([worker?.end('SIGKILL'), backend?.end('SIGKILL')]);
    await Promise.all([provider?.close(), redis?.close(), database?.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  const isTaken = async (token: string) => {
    const response = await fetch(new URL('/internal/contract', backend.internalUrl), {
      headers: { authorization: `Bearer ${token}` },
    });
    return response.status === 200;
  };
  const processed = async () => {
    const response = await backend.call('/api/v1/documents', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a.txt', content: `text ${randomUUID()}` }),
    });
    const { id } = (await response.json()) as ShownDocument;
    const shown = async () => (await (await backend.call(`/api/v1/documents/${id}`)).json()) as ShownDocument;
    await until(async () => ['completed', 'failed'].includes((await shown()).status));
    const { status, attempts } = await shown();
    assert.deepEqual([status, attempts], ['completed', 1]);
  };
  const exchange = async (tokens: string[]) => {
    const told = (process: StartedProcess) =>
      process.lines.filter(({ message }) => message === 'keys read again').length;
    const before = [told(backend), told(worker)];
    await writeFile(join(folder, 'token'), `${tokens.join(',')}\n`);
    await until(() => told(backend) > (before[0] ?? 0) && told(worker) > (before[1] ?? 0));
  };

  it('is exchanged while documents are worked on, in steps of which each is good by itself', async () => {
    for (const [tokens, ...taken] of [
      [[OLD, NEW], true, true],
      [[NEW, OLD], true, true],
      [[NEW], false, true],
    ] as const) {
      await exchange([...tokens]);
      await processed();
      assert.deepEqual([await isTaken(OLD), await isTaken(NEW)], taken);
    }
    const errors = [...backend.lines, ...worker.lines].filter(({ level }) => level === 'error');
    assert.deepEqual(errors, []);
    assert.ok(
      ![...backend.lines, ...worker.lines].some((line) => JSON.stringify(line).includes(NEW)),
      'no token in a log',
    );
  });
});

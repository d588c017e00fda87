import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddingsServer, numbersAnswer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { createServerDatabase } from '../support/server-database.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { type StartedProcess, startProcess } from '../support/started-process.ts';
import { until } from '../support/until.ts';

/** The last commit whose workers and backends say nothing of an edition of their contract. */
const VERSION_BEFORE = 'ef74fc7def97';
const ROOT = join(import.meta.dirname, '../..');

const hasVersionBefore = (): boolean => {
  try {
    execFileSync('git', ['cat-file', '-e', VERSION_BEFORE], { cwd: ROOT, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const portOf = ({ internalUrl }: StartedProcess) => Number(new URL(internalUrl).port);

describe('an upgrade from the version before, with documents in work', function suite() {
  this.timeout(180_000);
  let folder: string;
  let redis: RedisServer;
  let provider: EmbeddingsServer;
  let database: { url: string; close(): Promise<void> };
  /** Where workers look for a backend: the old one first, then the new one. */
  let way: SeverableProxy;
  let settings: Record<string, string>;
  const processes: StartedProcess[] = [];

  before(async function prepare() {
    const server = process.env['TEST_DATABASE_URL'];
    // Two backends at a time need a Postgres that takes more than one session, and the version before needs its history.
    if (server === undefined || !hasVersionBefore()) return this.skip();
    folder = await mkdtemp(join(tmpdir(), 'ragbase-before-'));
    const archive = execFileSync('git', ['archive', VERSION_BEFORE], { cwd: ROOT, maxBuffer: 2 ** 28 });
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
    await cp(join(ROOT, 'node_modules'), join(folder, 'node_modules'), { recursive: true, verbatimSymlinks: true });
    redis = await openRedisServer();
    provider = await startEmbeddingsServer();
    database = await createServerDatabase(server);
    settings = {
      ...provider.settings,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      DATABASE_POOL_SIZE: '10',
      RAGBASE_DATA_DIR: join(folder, 'data'),
    };
  });
  after(async () => {
    await Promise.all(processes.map((process) => process.end('SIGKILL')));
    way?.close();
    await database?.close();
    await provider?.close();
    await redis?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const startBackend = async (root: string) => {
    const backend = await startProcess({ root, env: settings });
    processes.push(backend);
    await backend.ready();
    return backend;
  };
  const startWorker = async (root: string) => {
    const env = { ...settings, CALLBACK_URL: `http://127.0.0.1:${way.port}` };
    const worker = await startProcess({ entry: 'worker', root, env });
    processes.push(worker);
    await worker.ready();
    return worker;
  };
  const upload = async ({ call }: StartedProcess, text: string) => {
    const body = JSON.stringify({ name: 'a.txt', content: `${text} ${randomUUID()}` });
    const headers = { 'content-type': 'application/json' };
    const response = await call('/api/v1/documents', { method: 'POST', headers, body });
    assert.equal(response.status, 202);
    return ((await response.json()) as { id: string }).id;
  };
  const shown = async ({ call }: StartedProcess, id: string) =>
    (await (await call(`/api/v1/documents/${id}`)).json()) as { status: string; attempts: number };
  const completes = async (backend: StartedProcess, ids: readonly string[]) => {
    for (const id of ids) {
      await until(async () => ['completed', 'failed'].includes((await shown(backend, id)).status), 60_000);
      const { status, attempts } = await shown(backend, id);
      assert.deepEqual([status, attempts], ['completed', 1]);
    }
  };
  /** Some of which are being embedded, and go on being so until the answer comes. */
  const uploadSlowly = async (backend: StartedProcess) => {
    const gate = Promise.withResolvers<void>();
    const asked = provider.requests.length;
    for (let index = 0; index < 2; index += 1)
      provider.answers.push(async (body, response) => {
        await gate.promise;
        numbersAnswer(body, response);
      });
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.push(await upload(backend, `document ${index}`));
    await until(() => provider.requests.length >= asked + 2);
    return { ids, goOn: gate.resolve };
  };

  it('goes backend first, then workers, and back again, and costs no document a try', async () => {
    const before = await startBackend(folder);
    way = await openSeverableProxy(portOf(before));
    const oldWorker = await startWorker(folder);
    await completes(before, [await upload(before, 'all is well')]);

    const first = await uploadSlowly(before);
    const after = await startBackend(ROOT);
    way.lead(portOf(after));
    assert.equal(await before.end(), 0);
    // Longer than a lease: the old worker renews it with the new backend.
    await delay(17_000);
    first.goOn();
    await completes(after, first.ids);

    const second = await uploadSlowly(after);
    await startWorker(ROOT);
    assert.equal(await oldWorker.end(), 0);
    second.goOn();
    await completes(after, second.ids);

    const third = await uploadSlowly(after);
    const back = await startBackend(folder);
    way.lead(portOf(back));
    assert.equal(await after.end(), 0);
    third.goOn();
    await completes(back, third.ids);
    await completes(back, [await upload(back, 'a new worker and an old backend')]);
  });
});

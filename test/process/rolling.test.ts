import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../deploy/local/ports.ts';
import { type EmbeddingsServer, numbersAnswer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type ServiceProcess, startServiceProcess } from '../support/process.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { createServerDatabase } from '../support/server-database.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { until } from '../support/until.ts';

/** The last commit whose workers and backends say nothing of an edition of their contract. */
const VERSION_BEFORE = 'ef74fc7def97';
const ROOT = join(import.meta.dirname, '../..');
const KEY = 'an-api-key-of-this-test';

const hasVersionBefore = (): boolean => {
  try {
    execFileSync('git', ['cat-file', '-e', VERSION_BEFORE], { cwd: ROOT, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('an upgrade from the version before, with documents in work', function suite() {
  this.timeout(180_000);
  let folder: string;
  let redis: RedisServer;
  let provider: EmbeddingsServer;
  let database: { url: string; close(): Promise<void> };
  /** Where workers look for a backend: the old one first, then the new one. */
  let way: SeverableProxy;
  let settings: Record<string, string>;
  const processes: ServiceProcess[] = [];

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
      API_KEY: KEY,
      INTERNAL_TOKEN: 'an-internal-token-of-this-test',
      RATE_LIMIT_MAX: '100000',
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

  const isReady = (url: string) => until(async () => (await fetch(new URL('/ready', url))).status === 200, 60_000);
  const startBackend = async (root: string) => {
    const [port, internalPort] = (await freePorts(2)) as [number, number];
    const env = { ...settings, PORT: String(port), INTERNAL_PORT: String(internalPort) };
    const backend = startServiceProcess({ entry: 'src/server.ts', root, env });
    processes.push(backend);
    const url = `http://127.0.0.1:${port}`;
    await isReady(url);
    return { ...backend, url, internalPort };
  };
  const startWorker = async (root: string) => {
    const [port] = (await freePorts(1)) as [number];
    const env = { ...settings, WORKER_PORT: String(port), CALLBACK_URL: `http://127.0.0.1:${way.port}` };
    const worker = startServiceProcess({ entry: 'src/worker.ts', root, env });
    processes.push(worker);
    await isReady(`http://127.0.0.1:${port}`);
    return worker;
  };
  const call = (url: string, path: string, init: RequestInit = {}) =>
    fetch(new URL(path, url), { ...init, headers: { 'x-api-key': KEY, 'content-type': 'application/json' } });
  const upload = async (url: string, text: string) => {
    const body = JSON.stringify({ name: 'a.txt', content: `${text} ${randomUUID()}` });
    const response = await call(url, '/api/v1/documents', { method: 'POST', body });
    assert.equal(response.status, 202);
    return ((await response.json()) as { id: string }).id;
  };
  const shown = async (url: string, id: string) =>
    (await (await call(url, `/api/v1/documents/${id}`)).json()) as { status: string; attempts: number };
  const completes = async (url: string, ids: readonly string[]) => {
    for (const id of ids) {
      await until(async () => ['completed', 'failed'].includes((await shown(url, id)).status), 60_000);
      const { status, attempts } = await shown(url, id);
      assert.deepEqual([status, attempts], ['completed', 1]);
    }
  };
  /** Some of which are being embedded, and go on being so until the answer comes. */
  const uploadSlowly = async (url: string) => {
    const gate = Promise.withResolvers<void>();
    const asked = provider.requests.length;
    for (let index = 0; index < 2; index += 1)
      provider.answers.push(async (body, response) => {
        await gate.promise;
        numbersAnswer(body, response);
      });
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.push(await upload(url, `document ${index}`));
    await until(() => provider.requests.length >= asked + 2);
    return { ids, goOn: gate.resolve };
  };

  it('goes backend first, then workers, and back again, and costs no document a try', async () => {
    const before = await startBackend(folder);
    way = await openSeverableProxy(before.internalPort);
    const oldWorker = await startWorker(folder);
    await completes(before.url, [await upload(before.url, 'all is well')]);

    const first = await uploadSlowly(before.url);
    const after = await startBackend(ROOT);
    way.lead(after.internalPort);
    assert.equal(await before.end(), 0);
    // Longer than a lease: the old worker renews it with the new backend.
    await delay(17_000);
    first.goOn();
    await completes(after.url, first.ids);

    const second = await uploadSlowly(after.url);
    await startWorker(ROOT);
    assert.equal(await oldWorker.end(), 0);
    second.goOn();
    await completes(after.url, second.ids);

    const third = await uploadSlowly(after.url);
    const back = await startBackend(folder);
    way.lead(back.internalPort);
    assert.equal(await after.end(), 0);
    third.goOn();
    await completes(back.url, third.ids);
    await completes(back.url, [await upload(back.url, 'a new worker and an old backend')]);
  });
});

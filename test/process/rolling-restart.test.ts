import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../deploy/local/ports.ts';
import { read } from '../deploy/static-files.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { createServerDatabase } from '../support/server-database.ts';
import { type StartedProcess, startProcess, TEST_KEY } from '../support/started-process.ts';
import { until } from '../support/until.ts';

const SERVER = process.env['TEST_DATABASE_URL'];
/** What the overlay sets. */
const overlay = (name: string) => new RegExp(`${name}: .*?(\\d+)`).exec(read('deploy/compose.proxy.yml'))?.[1];

describe('a rolling restart of two backends behind the proxy', function suite() {
  this.timeout(180_000);
  let redis: RedisServer;
  let database: Awaited<ReturnType<typeof createServerDatabase>>;
  let proxy: ChildProcess;
  let folder: string;
  let url: string;
  const backends: StartedProcess[] = [];
  const agent = new Agent({ keepAlive: true });
  let stopped = false;

  before(async function start() {
    // Two backends need a Postgres of more than one session.
    if (SERVER === undefined || spawnSync('caddy', ['version']).error) return this.skip();
    redis = await openRedisServer();
    database = await createServerDatabase(SERVER);
    for (const _ of [0, 1]) backends.push(await startBackend());
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    folder = await mkdtemp(join(tmpdir(), 'caddy-'));
    // As it is deployed, but that what goes wrong is not tried again.
    const config = read('deploy/proxy/Caddyfile').replace(/^\s*lb_(?:retries|try_\w+).*$/gm, '');
    await writeFile(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${config}`);
    proxy = spawn('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        SITE_ADDRESS: url,
        BACKENDS: backends.map((backend) => new URL(backend.url).host).join(' '),
      },
    });
    await until(async () => (await fetch(`${url}/live`)).ok);
  });
  after(async () => {
    stopped = true;
    agent.destroy();
    for (const { child } of backends) child.kill('SIGKILL');
    await Promise.all(backends.map(({ exited }) => exited));
    if (proxy?.kill('SIGKILL')) await once(proxy, 'exit');
    await redis?.close();
    await database?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function startBackend(ports?: [number, number]): Promise<StartedProcess> {
    const backend = await startProcess({
      env: {
        DATABASE_URL: database.url,
        DATABASE_POOL_SIZE: '5',
        REDIS_URL: redis.url,
        TRUST_PROXY: overlay('TRUST_PROXY'),
        SHUTDOWN_DELAY_MS: overlay('SHUTDOWN_DELAY_MS'),
      },
      ...(ports && { ports }),
    });
    await backend.ready();
    return backend;
  }

  /** The status of one request, or what broke it. */
  function send(method: string, path: string, body?: object): Promise<number | string> {
    const headers = { 'x-api-key': TEST_KEY, 'content-type': 'application/json' };
    return new Promise((resolve) => {
      const sent = request(url + path, { method, agent, headers }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
        response.once('error', (error) => resolve(String(error)));
      });
      sent.once('error', (error) => resolve(String(error)));
      sent.end(body && JSON.stringify(body));
    });
  }

  const isReady = async (backend: StartedProcess) => (await fetch(`${backend.url}/ready`)).ok;

  it('breaks no request', async () => {
    const outcomes: Record<string, number> = {};
    let count = 0;
    const load = async () => {
      while (!stopped) {
        count += 1;
        const outcome = await (count % 3 === 0
          ? send('POST', '/api/v1/documents', { name: `${count}.txt`, content: `Text ${count}.` })
          : count % 3 === 1
            ? send('POST', '/api/v1/search', { query: 'text', mode: 'keyword' })
            : send('GET', '/api/v1/documents?limit=1'));
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      }
    };
    const clients = Array.from({ length: 6 }, load);
    const served = ({ lines }: StartedProcess) => lines.filter(({ message }) => message === 'request').length;
    for (const [index, before] of backends.entries()) {
      await until(() => served(before) > 50, 60_000);
      before.child.kill('SIGTERM');
      assert.deepEqual(await before.exited, [0, null]);
      const ports = [before.url, before.internalUrl].map((address) => Number(new URL(address).port));
      const next = await startBackend(ports as [number, number]);
      backends[index] = next;
      await until(() => served(next) > 50, 60_000);
    }
    stopped = true;
    await Promise.all(clients);
    assert.deepEqual(Object.keys(outcomes).sort(), ['200', '202']);
  });

  it('asks backends that are not ready where none is: they serve without Redis what they can', async () => {
    await redis.stop();
    await until(async () => (await Promise.all(backends.map(isReady))).every((ready) => !ready));
    // What the proxy heard last may still be that one is ready.
    await delay(2_000);
    for (let count = 0; count < 10; count += 1) assert.equal(await send('GET', '/api/v1/documents?limit=1'), 200);
    assert.equal(await send('POST', '/api/v1/search', { query: 'text', mode: 'keyword' }), 200);
    const refused = await fetch(`${url}/ready`);
    assert.equal(refused.status, 503);
    assert.equal(((await refused.json()) as { checks: { redis: boolean } }).checks.redis, false);
    await redis.start();
    await until(async () => (await fetch(`${url}/ready`)).ok);
  });
});

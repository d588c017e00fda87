import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePorts } from '../../deploy/local/ports.ts';
import { openPgliteDatabase, type TestDatabase } from '../support/pglite-database.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { until } from '../support/until.ts';

interface Line {
  level: string;
  message: string;
  reason?: string;
}

describe('a backend that starts before its database and its Redis', function suite() {
  this.timeout(120_000);
  let database: TestDatabase;
  let way: SeverableProxy;
  let redis: RedisServer;
  let backend: ChildProcess;
  let url: string;
  const lines: Line[] = [];
  before(async () => {
    database = await openPgliteDatabase();
    way = await openSeverableProxy(Number(new URL(database.url).port));
    way.cut();
    redis = await openRedisServer({ down: true });
    const [port, internalPort] = await freePorts(2);
    url = `http://127.0.0.1:${port}`;
    backend = spawn(process.execPath, ['--import', './telemetry/register.ts', 'src/server.ts'], {
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        PORT: String(port),
        INTERNAL_PORT: String(internalPort),
        DATABASE_URL: `postgres://postgres@127.0.0.1:${way.port}/postgres`,
        DATABASE_POOL_SIZE: '1',
        REDIS_URL: redis.url,
        API_KEY: 'a-key-of-this-test',
        INTERNAL_TOKEN: 'a-token-of-this-test',
        EMBEDDING_PROVIDER: 'openai',
        EMBEDDING_BASE_URL: 'http://127.0.0.1:9/v1',
        EMBEDDING_MODEL: 'none',
        EMBEDDING_DIMENSIONS: '3',
        OTEL_TRACES_EXPORTER: 'none',
      },
    });
    if (backend.stdout) createInterface(backend.stdout).on('line', (line) => lines.push(JSON.parse(line) as Line));
  });
  after(async () => {
    if (backend?.exitCode === null) backend.kill('SIGKILL');
    way?.close();
    await redis?.close();
    await database?.close();
  });

  const waits = () => lines.filter(({ message }) => message === 'waiting for the database');
  const ready = async () => {
    const response = await fetch(`${url}/ready`);
    const { checks } = (await response.json()) as { checks: Record<string, boolean> };
    return { status: response.status, ...checks };
  };
  const search = async () =>
    (await fetch(`${url}/api/v1/stats`, { headers: { 'x-api-key': 'a-key-of-this-test' } })).status;

  it('waits, says for what and why, and is honest about it', async () => {
    await until(() => waits().length >= 3);
    assert.ok(waits().every(({ level, reason }) => level === 'warn' && Boolean(reason)));
    assert.equal((await fetch(`${url}/live`)).status, 200);
    assert.deepEqual(await ready(), { status: 503, database: false, redis: false, queue: false });
    assert.equal(await search(), 503);
  });

  it('is not ready with one of them alone', async () => {
    way.mend();
    await until(async () => (await ready())['database' as 'status']);
    await until(() => lines.some(({ message }) => message === 'ready'));
    assert.deepEqual(await ready(), { status: 503, database: true, redis: false, queue: false });
  });

  it('is ready when both are there, without having been started again', async () => {
    await redis.start();
    await until(async () => (await ready()).status === 200);
    assert.equal(await search(), 200);
    backend.kill('SIGTERM');
    assert.deepEqual(await once(backend, 'exit'), [0, null]);
  });
});

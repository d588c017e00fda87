import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { openPgliteDatabase, type TestDatabase } from '../support/pglite-database.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type StartedProcess, startProcess, TEST_KEY } from '../support/started-process.ts';
import { until } from '../support/until.ts';

describe('the end of a process', function suite() {
  this.timeout(120_000);
  let redis: RedisServer;
  let database: TestDatabase;
  let running: StartedProcess[] = [];
  const sockets: Socket[] = [];
  before(async () => {
    redis = await openRedisServer();
  });
  beforeEach(async () => {
    database = await openPgliteDatabase();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const { child } of running) child.kill('SIGKILL');
    await Promise.all(running.map(({ exited }) => exited));
    running = [];
    await database.close();
  });
  after(() => redis.close());

  async function backend(env: NodeJS.ProcessEnv = {}): Promise<StartedProcess> {
    const started = await startProcess({
      env: {
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        // Far less than a connection that is waited for would take.
        SHUTDOWN_TIMEOUT_MS: '12000',
        LOG_LEVEL: 'debug',
        ...env,
      },
    });
    running.push(started);
    await started.ready();
    return started;
  }

  async function dial(url: string, said = ''): Promise<Socket> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    if (said !== '') socket.write(said);
    return socket;
  }

  async function upload(to: StartedProcess, content: string): Promise<string> {
    const form = new FormData();
    form.set('file', new Blob([content]), 'large.txt');
    const answer = await to.call('/api/v1/documents', { method: 'POST', body: form });
    assert.equal(answer.status, 202);
    return ((await answer.json()) as { id: string }).id;
  }

  it('waits for no connection of any port that never spoke, said half, or does not read', async () => {
    const one = await backend();
    const worker = await startProcess({
      entry: 'worker',
      env: { REDIS_URL: redis.url, CALLBACK_URL: one.internalUrl, SHUTDOWN_TIMEOUT_MS: '12000' },
    });
    running.push(worker);
    await worker.ready();
    for (const url of [one.url, one.internalUrl, worker.url]) {
      await dial(url);
      await dial(url, 'GET /health HT');
      await dial(url, 'GET /health HTTP/1.1\r\nHost: x\r\n');
      await dial(url, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    }
    worker.child.kill('SIGTERM');
    assert.deepEqual(await worker.exited, [0, null]);
    const id = await upload(one, 'A line that is not read.\n'.repeat(800_000));
    const unread = await dial(
      one.url,
      `GET /api/v1/documents/${id}/content HTTP/1.1\r\nHost: x\r\nX-API-Key: ${TEST_KEY}\r\n\r\n`,
    );
    await once(unread, 'readable');
    await dial(
      one.url,
      `POST /api/v1/search HTTP/1.1\r\nHost: x\r\nX-API-Key: ${TEST_KEY}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"q`,
    );
    one.child.kill('SIGTERM');
    assert.deepEqual(await one.exited, [0, null]);
    const cut = one.lines.find(({ message }) => message === 'connections were cut at shutdown');
    assert.equal(cut?.['server'], 'public server');
    const closed = one.lines.filter(({ message }) => message === 'closed').map(({ part }) => String(part));
    const order = ['public server', 'internal server', 'database', 'telemetry'];
    assert.deepEqual(
      closed.filter((part) => order.includes(part)),
      order,
    );
  });

  it('waits for no stream of events, be there hundreds', async () => {
    const one = await backend();
    const id = await upload(one, 'A document that waits, as there is no worker.');
    const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
    const headers = { 'x-api-key': TEST_KEY };
    const streams = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const [response] = (await once(
          get(`${one.url}/api/v1/documents/${id}/events`, { agent, headers }),
          'response',
        )) as [IncomingMessage];
        assert.equal(response.statusCode, 200);
        return { ended: once(response.resume(), 'end') };
      }),
    );
    one.child.kill('SIGTERM');
    await Promise.all(streams.map(({ ended }) => ended));
    assert.deepEqual(await one.exited, [0, null]);
    agent.destroy();
  });

  it('serves on through its delay, new connections too, while it says that it is not ready', async () => {
    const one = await backend({ SHUTDOWN_DELAY_MS: '3000' });
    one.child.kill('SIGTERM');
    await until(async () => (await one.call('/ready')).status === 503);
    const stats = await one.call('/api/v1/stats', { headers: { connection: 'keep-alive' } });
    assert.deepEqual([stats.status, stats.headers.get('connection')], [200, 'keep-alive']);
    await dial(one.url);
    assert.deepEqual(await one.exited, [0, null]);
    const message = ({ message: text }: { message: string }) => text;
    const all = one.lines.map(message);
    assert.ok(all.indexOf('shutting down') < all.lastIndexOf('request'));
  });

  it('comes at once with a second signal', async () => {
    const one = await backend({ SHUTDOWN_DELAY_MS: '600000' });
    one.child.kill('SIGTERM');
    await until(async () => (await one.call('/ready')).status === 503);
    one.child.kill('SIGTERM');
    assert.deepEqual(await one.exited, [1, null]);
  });
});

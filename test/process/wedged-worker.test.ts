import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { writePdf } from '../fixtures/write-pdf.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const HEALTHCHECK = join(import.meta.dirname, '../../deploy/healthcheck.ts');

describe('a worker that takes no jobs any more', function suite() {
  this.timeout(120_000);
  let redis: RedisServer;
  let service: Service;
  const ids: string[] = [];
  before(async () => {
    redis = await openRedisServer();
    service = await startService({ REDIS_URL: redis.url, WORKER_STALL_TIMEOUT: '2s' });
  });
  after(async () => {
    await service?.stop();
    await redis?.close();
  });

  const workerPid = () => service.stack.processes.find(({ name }) => name === 'worker')?.pid;
  const ready = async () => {
    const response = await fetch(new URL('/ready', service.stack.workerUrl));
    const { checks, uptime } = (await response.json()) as { checks: Record<string, boolean>; uptime: number };
    return { status: response.status, checks, uptime };
  };
  /** By lane: fast, heavy. */
  const stalled = async () => {
    const series = await (await fetch(new URL('/metrics', service.stack.workerUrl))).text();
    return ['fast', 'heavy'].map((lane) =>
      Number(RegExp(`^worker_stalled\\{lane="${lane}"\\} (\\d)`, 'm').exec(series)?.[1]),
    );
  };
  /** Ends the connections on which the worker waits for jobs; it opens others. */
  const cutWaiting = async () => {
    const clients = String(await redis.command('CLIENT', 'LIST'));
    for (const [, id = ''] of clients.matchAll(/^id=(\d+) .* cmd=brpoplpush /gm))
      await redis.command('CLIENT', 'KILL', 'ID', id);
  };
  const accept = async (name: string, content: string | Uint8Array) => {
    const response = await service.upload(name, content);
    assert.equal(response.status, 202);
    return ((await response.json()) as ShownDocument).id;
  };
  /** As Docker asks. */
  const healthcheck = async () => {
    const child = spawn(process.execPath, [HEALTHCHECK, `${service.stack.workerUrl}/ready`], { stdio: 'ignore' });
    return ((await once(child, 'exit')) as [number])[0];
  };

  it('is healthy for as long as there are none', async () => {
    // Far beyond the limit.
    await until(async () => (await ready()).uptime >= 12);
    assert.equal((await ready()).status, 200);
    assert.deepEqual(await stalled(), [0, 0]);
    assert.equal(await healthcheck(), 0);
  });

  it('says so, to whoever asks for its health, while some wait', async () => {
    const worker = workerPid();
    // Redis answers, and lets nobody wait for a job: the queue is seen to be away, and then that nothing gets on.
    await redis.command('ACL', 'SETUSER', 'default', '-brpoplpush');
    await cutWaiting();
    for (let index = 0; index < 3; index += 1) ids.push(await accept(`${index}.txt`, randomUUID()));
    await until(async () => !(await ready()).checks['progress']);
    const { status, checks } = await ready();
    assert.equal(status, 503);
    assert.deepEqual(checks, {
      backend: true,
      redis: false,
      queue: false,
      parser: true,
      progress: false,
      contract: true,
    });
    assert.deepEqual(await stalled(), [1, 0]);
    assert.equal(await healthcheck(), 1);
    assert.equal(workerPid(), worker);
  });

  it('ends with status 1, and the next one takes them', async () => {
    const ended = () => service.lines.find((line) => line.startsWith('ragbase worker: ended by itself'));
    await until(ended, 60_000);
    assert.match(ended() ?? '', /exit status 1/);
    const [last] = service.lines.filter((line) => line.startsWith('worker ') && line.includes('stalled for too long'));
    assert.match(last ?? '', /"level":"error"/);
    await redis.command('ACL', 'SETUSER', 'default', '+brpoplpush');
    for (const id of ids) {
      const done = await service.settled(id);
      assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    }
    await until(async () => (await ready()).status === 200);
  });

  it('says so of one lane, however busy the other is', async () => {
    await redis.command('ACL', 'SETUSER', 'default', '-brpoplpush', '(+brpoplpush ~bq:documents-fast:*)');
    await cutWaiting();
    const heavy = await accept('heavy.pdf', writePdf([[{ text: 'One page.' }]]));
    await until(async () => {
      assert.equal((await service.settled(await accept('light.txt', randomUUID()))).status, 'completed');
      return !(await ready()).checks['progress'];
    });
    assert.deepEqual(await stalled(), [0, 1]);
    await redis.command('ACL', 'SETUSER', 'default', 'clearselectors', '+brpoplpush');
    assert.equal((await service.settled(heavy)).status, 'completed');
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Line } from '../../deploy/local/child-run.ts';
import { lockFile } from '../../deploy/local/folder-lock.ts';
import { LaunchError } from '../../deploy/local/launch-error.ts';
import { freePorts, isPortFree } from '../../deploy/local/ports.ts';
import { type StackOptions, startStack } from '../../deploy/local/stack.ts';
import { until } from '../support/until.ts';
import { isRunning } from './processes.ts';
import { STAND_INS } from './stand-ins.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Postgres and Redis that are never reached: the stand-ins need none. */
const OUTSIDE = { ...process.env, DATABASE_URL: 'postgres://nobody@127.0.0.1:9/x', REDIS_URL: 'redis://127.0.0.1:9' };

const options = (dataDir: string): StackOptions => ({ dataDir, env: OUTSIDE, ports: 'free', services: STAND_INS });

describe('startStack', function () {
  // Each new Postgres takes seconds.
  this.timeout(180_000);

  it('starts Postgres, Redis and the services, and stops them in reverse', async () => {
    await using folder = await temporaryFolder();
    const lines: Line[] = [];
    const { DATABASE_URL: _database, REDIS_URL: _redis, ...env } = process.env;
    const stack = await startStack({ ...options(folder.path), env, onLine: (line) => lines.push(line) });
    const { processes } = stack;
    assert.deepEqual(
      processes.map(({ name }) => name),
      ['postgres', 'redis', 'backend', 'worker'],
    );
    const pids = processes.map(({ pid }) => pid ?? assert.fail('no pid'));
    assert.equal(await stack.stop(), true);
    assert.deepEqual(
      lines.filter(({ text }) => text === 'SIGTERM').map(({ name }) => name),
      ['worker', 'backend'],
    );
    assert.deepEqual(pids.filter(isRunning), []);
  });

  it('makes an API key that only its owner can read, and keeps it', async () => {
    await using folder = await temporaryFolder();
    const first = await startStack(options(folder.path));
    await first.stop();
    assert.ok(first.apiKey.length >= 24);
    assert.equal((await stat(join(folder.path, 'api-key'))).mode & 0o777, 0o600);
    const second = await startStack(options(folder.path));
    await second.stop();
    assert.equal(second.apiKey, first.apiKey);
  });

  it('starts a service again that crashed', async () => {
    await using folder = await temporaryFolder();
    const stack = await startStack(options(folder.path));
    const pid = () => stack.processes.find(({ name }) => name === 'backend')?.pid ?? 0;
    const before = pid();
    process.kill(before, 'SIGKILL');
    await until(() => pid() !== before);
    await until(async () => (await fetch(`${stack.apiUrl}/ready`)).ok);
    assert.equal(await stack.stop(), true);
  });

  it('gives up, in one line, a service that cannot start, and leaves nothing running', async () => {
    await using folder = await temporaryFolder();
    const pids: number[] = [];
    const starting = startStack({
      ...options(folder.path),
      services: { ...STAND_INS, worker: ['--eval', 'console.error("no such thing"); process.exit(3)'] },
      onLine: ({ text }) => pids.push(Number(text)),
    });
    await assert.rejects(starting, { name: 'LaunchError', message: /^worker could not start: exit status 3/ });
    assert.ok(await lockIsFree(folder.path));
  });

  it('starts a service again for as long as it crashes, once it had been ready', async function repeatedly() {
    this.timeout(60_000);
    await using folder = await temporaryFolder();
    const said: string[] = [];
    const stack = await startStack({ ...options(folder.path), onLine: ({ text }) => said.push(text) });
    const pid = () => stack.processes.find(({ name }) => name === 'backend')?.pid ?? 0;
    const restarts = () => said.filter((text) => text.startsWith('backend: ended by itself'));
    for (let crash = 1; crash <= 6; crash += 1) {
      const before = pid();
      process.kill(before, 'SIGKILL');
      await until(() => restarts().length === crash);
      if (crash < 6) await until(() => pid() !== before);
    }
    assert.match(restarts().at(-1) ?? '', /starting it again in 30000 ms$/);
    await stack.stop();
  });

  it('refuses a data folder that another launcher uses, naming it', async () => {
    await using folder = await temporaryFolder();
    const first = await startStack(options(folder.path));
    await assert.rejects(startStack({ ...options(folder.path), lockWaitMs: 0 }), {
      name: 'LaunchError',
      message: new RegExp(`^the data folder ${folder.path} is in use by another ragbase`),
    });
    assert.equal(await first.stop(), true);
    const next = await startStack({ ...options(folder.path), lockWaitMs: 0 });
    await next.stop();
  });

  it('names the port that is taken, and the setting that chooses it', async () => {
    await using folder = await temporaryFolder();
    const [port = 0, internalPort, workerPort] = await freePorts(3);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    const ports = { PORT: `${port}`, INTERNAL_PORT: `${internalPort}`, WORKER_PORT: `${workerPort}` };
    const starting = startStack({ ...options(folder.path), env: { ...OUTSIDE, ...ports }, ports: 'configured' });
    await assert.rejects(starting, {
      name: 'LaunchError',
      message: new RegExp(
        `^port ${port} is taken( by .+ \\(pid ${process.pid}\\))?: stop what listens there, or set PORT `,
      ),
    });
    other.close();
    assert.ok(await lockIsFree(folder.path));
  });

  it('waits for a port that a process of the last run still holds', async () => {
    await using folder = await temporaryFolder();
    const [port = 0, internalPort, workerPort] = await freePorts(3);
    const leftover = createServer().listen(port, '127.0.0.1');
    await once(leftover, 'listening');
    await writeFile(join(folder.path, 'last-run.json'), JSON.stringify([process.pid]));
    const ports = { PORT: `${port}`, INTERNAL_PORT: `${internalPort}`, WORKER_PORT: `${workerPort}` };
    const stack = await startStack({
      ...options(folder.path),
      env: { ...OUTSIDE, ...ports },
      ports: 'configured',
      onLine: ({ text }) => {
        if (text.startsWith('waiting for processes of the last run')) leftover.close();
      },
    });
    assert.equal(await stack.stop(), true);
  });

  it('names every bad setting before anything is started', async () => {
    await using folder = await temporaryFolder();
    const starting = startStack({ ...options(folder.path), env: { ...OUTSIDE, LOG_LEVEL: 'loud', MAX_ATTEMPTS: '0' } });
    await assert.rejects(starting, (error: Error) => {
      assert.ok(error instanceof LaunchError);
      assert.match(error.message, /LOG_LEVEL/);
      assert.match(error.message, /MAX_ATTEMPTS/);
      return true;
    });
  });

  it('says that the data folder is a file, naming it', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    await assert.rejects(startStack(options(file)), {
      message: new RegExp(`^the data folder ${file} is not a folder`),
    });
  });

  it('breaks off a start when it is told to stop', async () => {
    await using folder = await temporaryFolder();
    const stopping = new AbortController();
    const starting = startStack({
      ...options(folder.path),
      services: {
        ...STAND_INS,
        worker: ['--eval', 'console.log("never ready"); setInterval(() => undefined, 60_000)'],
      },
      stopSignal: stopping.signal,
      onLine: ({ text }) => {
        if (text === 'never ready') stopping.abort();
      },
    });
    await assert.rejects(starting, { name: 'AbortError' });
    assert.ok(await lockIsFree(folder.path));
  });

  it('keeps database and API keys from the ai-worker', async () => {
    await using folder = await temporaryFolder();
    const said: string[] = [];
    const script = 'console.log("env", JSON.stringify(process.env)); process.exit(1)';
    const starting = startStack({
      ...options(folder.path),
      services: { ...STAND_INS, worker: ['--eval', script] },
      onLine: ({ text }) => {
        if (text.startsWith('env ')) said.push(text.slice('env '.length));
      },
    });
    await assert.rejects(starting);
    const env = JSON.parse(said[0] ?? '') as Record<string, string>;
    assert.deepEqual([env['DATABASE_URL'], env['API_KEY'], env['METRICS_TOKEN']], ['', '', '']);
    assert.ok(env['REDIS_URL'] && env['INTERNAL_TOKEN'] && env['CALLBACK_URL']);
  });
});

describe('freePorts', () => {
  it('finds different ports that are free', async () => {
    const ports = await freePorts(5);
    assert.equal(new Set(ports).size, 5);
    for (const port of ports) assert.ok(await isPortFree(port, '127.0.0.1'));
  });
});

async function lockIsFree(dataDir: string): Promise<boolean> {
  const release = await lockFile(join(dataDir, 'launcher.lock'), { waitMs: 0 });
  release?.();
  return release !== undefined;
}

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../deploy/local/ports.ts';
import { until } from '../support/until.ts';
import { isRunning } from './processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

const LAUNCHER = fileURLToPath(new URL('stand-in-launcher.ts', import.meta.url));

interface Launcher {
  child: ChildProcess;
  lines: string[];
  /** Process ids of all that it started. */
  pids(): number[];
  exited: Promise<unknown[]>;
}

const EMBEDDED = { DATABASE_URL: '', REDIS_URL: '' };

async function startLauncher(dataDir: string, env: NodeJS.ProcessEnv = {}): Promise<Launcher> {
  const child = spawn(process.execPath, [LAUNCHER, dataDir], {
    env: { ...(await environment()), ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const exited = once(child, 'exit');
  const isUp = () => lines.some((line) => line.startsWith('up '));
  await until(() => isUp() || child.exitCode !== null, 60_000);
  return {
    child,
    lines,
    exited,
    pids: () => startedPids(lines),
  };
}

/** With ports of its own, Postgres and Redis that are never reached (the stand-ins need none), and as if not under npm. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const [port, internalPort, workerPort] = await freePorts(3);
  const ports = { PORT: `${port}`, INTERNAL_PORT: `${internalPort}`, WORKER_PORT: `${workerPort}` };
  const outside = { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/x', REDIS_URL: 'redis://127.0.0.1:9' };
  return { ...process.env, ...ports, ...outside, npm_lifecycle_event: '' };
}

/** Process ids of all that the launcher started. */
const startedPids = (lines: readonly string[]): number[] =>
  JSON.parse(lines.find((line) => line.startsWith('up '))?.slice('up '.length) ?? '[]');

const told = (lines: readonly string[]): string[] => lines.filter((line) => /SIGTERM|SIGINT/.test(line));

describe('launch', function () {
  // Each new Postgres takes seconds.
  this.timeout(180_000);

  it('keeps all that is written to its owner, in a folder that was open to all, and in what was in it', async () => {
    await using folder = await temporaryFolder();
    const dataDir = join(folder.path, 'data');
    for (const path of [dataDir, join(dataDir, 'postgres'), join(dataDir, 'redis')]) {
      await mkdir(path);
      await chmod(path, 0o755);
    }
    const { child, exited } = await startLauncher(dataDir, EMBEDDED);
    const open: string[] = [];
    const names = await readdir(dataDir, { recursive: true });
    for (const name of ['', ...names]) {
      const { mode } = await stat(join(dataDir, name));
      if ((mode & 0o077) !== 0) open.push(`${name} ${(mode & 0o777).toString(8)}`);
    }
    child.kill('SIGTERM');
    await exited;
    assert.ok(names.length > 900);
    assert.deepEqual(open, []);
  });

  it('ends in order, with status 0, on a Ctrl-C that arrives twice as under npm', async () => {
    await using folder = await temporaryFolder();
    const { child, lines, pids, exited } = await startLauncher(folder.path);
    // To the whole foreground group, as a terminal does; and again, as npm does.
    process.kill(-(child.pid ?? 0), 'SIGINT');
    child.kill('SIGINT');
    assert.deepEqual(await exited, [0, null]);
    assert.deepEqual(
      told(lines).map((line) => line.replace(/ +│/, ':')),
      ['worker: SIGTERM', 'backend: SIGTERM'],
    );
    assert.deepEqual(pids().filter(isRunning), []);
  });

  it('ends everything at once on a second signal', async () => {
    await using folder = await temporaryFolder();
    const launcher = await startLauncher(folder.path, { STAND_IN_STUBBORN: '1' });
    const { child, pids, exited } = launcher;
    await until(() => {
      child.kill('SIGTERM');
      return child.exitCode !== null || child.signalCode !== null;
    });
    assert.deepEqual(await exited, [1, null]);
    await until(() => pids().filter(isRunning).length === 0);
  });

  it('leaves no process behind when it is killed, and can be started again at once', async () => {
    await using folder = await temporaryFolder();
    const first = await startLauncher(folder.path, EMBEDDED);
    const pids = first.pids();
    assert.equal(pids.length, 4);
    first.child.kill('SIGKILL');
    await first.exited;
    const second = await startLauncher(folder.path, EMBEDDED);
    assert.equal(second.pids().length, 4, second.lines.join('\n'));
    await until(() => pids.filter(isRunning).length === 0);
    second.child.kill('SIGTERM');
    assert.deepEqual(await second.exited, [0, null]);
  });

  it('ends when the npm that started it is killed', async () => {
    await using folder = await temporaryFolder();
    const script = 'node "$0" "$1"; exit $?';
    const shell = spawn('sh', ['-c', script, LAUNCHER, folder.path], {
      env: { ...(await environment()), npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface({ input: shell.stdout }).on('line', (line) => lines.push(line));
    await until(() => lines.some((line) => line.startsWith('up ')), 60_000);
    shell.kill('SIGKILL');
    await until(() => told(lines).length === 2);
    await until(() => startedPids(lines).filter(isRunning).length === 0);
  });
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { type ChildRun, runChild } from '../../deploy/local/child-run.ts';
import { lockFile } from '../../deploy/local/folder-lock.ts';
import { freePorts } from '../../deploy/local/ports.ts';
import { ROOT } from '../../deploy/local/root.ts';
import { until } from '../support/until.ts';
import { isRunning } from './processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

const PASSWORD = 'of-these-tests';
const ENV = { ...process.env, RAGBASE_EMBEDDED_PASSWORD: PASSWORD };
const ARGS = ['deploy/local/postgres-server.ts'];

function startServer(folder: string, port: number): ChildRun {
  const args = [...ARGS, folder, String(port), '0'];
  return runChild({ name: 'postgres', args, cwd: ROOT, env: ENV }, () => undefined);
}

async function connect(port: number, password = PASSWORD): Promise<pg.Client> {
  const client = new pg.Client(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`);
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function end(server: ChildRun): Promise<void> {
  server.terminate();
  assert.deepEqual(await server.exited, { code: 0, signal: null });
}

describe('postgres-server', function () {
  // Each new Postgres takes seconds.
  this.timeout(180_000);

  it('keeps what it acknowledged over a kill -9, and starts again at once', async () => {
    await using folder = await temporaryFolder();
    const [port = 0] = await freePorts(1);
    const first = startServer(join(folder.path, 'postgres'), port);
    await first.reportedReady;
    const client = await connect(port);
    await client.query('CREATE EXTENSION vector');
    await client.query('CREATE TABLE kept (v vector(2))');
    await client.query("INSERT INTO kept VALUES ('[1,2]')");
    first.kill();
    await first.exited;

    const second = startServer(join(folder.path, 'postgres'), port);
    await second.reportedReady;
    const again = await connect(port);
    const { rows } = await again.query('SELECT v::text FROM kept');
    assert.deepEqual(rows, [{ v: '[1,2]' }]);
    await again.end();
    await end(second);
  });

  it('refuses a folder that another one uses, naming it', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'postgres');
    const release = await lockFile(`${path}.lock`, { waitMs: 0 });
    const server = startServer(path, 0);
    assert.equal((await server.exited).code, 1);
    assert.equal(
      server.failure(),
      `the data folder ${path} is in use by another Postgres of ragbase: stop that one first`,
    );
    release?.();
  });

  it('lets a second client wait, and gives it a session without traces of the first', async () => {
    await using folder = await temporaryFolder();
    const [port = 0] = await freePorts(1);
    const server = startServer(join(folder.path, 'postgres'), port);
    await server.reportedReady;
    const first = await connect(port);
    await first.query('CREATE TABLE numbers (n int)');
    await first.query({ name: 'insert', text: 'INSERT INTO numbers VALUES ($1)', values: [1] });
    await first.query("SET work_mem = '7MB'");
    await first.query('BEGIN');
    await first.query('INSERT INTO numbers VALUES (2)');
    const waiting = connect(port);
    await first.end();

    const second = await waiting;
    await second.query({ name: 'insert', text: 'INSERT INTO numbers VALUES ($1)', values: [3] });
    const { rows } = await second.query("SELECT array_agg(n) AS n, current_setting('work_mem') AS memory FROM numbers");
    assert.deepEqual(rows, [{ n: [1, 3], memory: '4MB' }]);
    await second.end();
    await end(server);
  });

  it('ends with an error, to be started again, when a statement breaks the database', async () => {
    await using folder = await temporaryFolder();
    const [port = 0] = await freePorts(1);
    const server = startServer(join(folder.path, 'postgres'), port);
    await server.reportedReady;
    const client = await connect(port);
    await client.query('CREATE TABLE t (n int)');
    await assert.rejects(client.query('COPY t FROM STDIN'));
    assert.equal((await server.exited).code, 1);
  });

  it('ends when its launcher is gone, after its last client', async () => {
    await using folder = await temporaryFolder();
    const [port = 0] = await freePorts(1);
    const args = [...ARGS, join(folder.path, 'postgres'), String(port), '0'];
    const script = `
      const child = require('node:child_process').spawn(process.execPath, ${JSON.stringify(args)}, { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
      child.on('message', ({ type }) => type === 'ready' && process.stdout.write(String(child.pid)));`;
    const launcher = spawn(process.execPath, ['-e', script], {
      cwd: ROOT,
      env: ENV,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = await once(launcher.stdout, 'data');
    const pid = Number(output);
    const client = await connect(port);
    launcher.kill('SIGKILL');
    await once(launcher, 'exit');
    assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
    await client.end();
    await until(() => !isRunning(pid));
  });
});

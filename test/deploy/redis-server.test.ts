import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import redis from 'redis';
import { type ChildRun, runChild } from '../../deploy/local/child-run.ts';
import { freePorts, isPortFree } from '../../deploy/local/ports.ts';
import { ROOT } from '../../deploy/local/root.ts';
import { temporaryFolder } from './temporary-folder.ts';

const PASSWORD = 'of-these-tests';

interface Guard extends ChildRun {
  port: number;
  lines: string[];
}

async function startGuard(folder: string, chosenPort?: number): Promise<Guard> {
  const port = chosenPort ?? (await freePorts(1))[0] ?? 0;
  const lines: string[] = [];
  const args = ['deploy/local/redis-server.ts', join(folder, 'redis'), String(port), '0'];
  const run = runChild(
    { name: 'redis', args, cwd: ROOT, env: { ...process.env, RAGBASE_EMBEDDED_PASSWORD: PASSWORD } },
    ({ text }) => lines.push(text),
  );
  return Object.assign(run, { port, lines });
}

async function ready(guard: Guard): Promise<Guard> {
  const failed = guard.exited.then(() => assert.fail(guard.failure() ?? guard.lines.join('\n')));
  await Promise.race([guard.reportedReady, failed]);
  return guard;
}

async function end(guard: Guard): Promise<void> {
  guard.terminate();
  assert.deepEqual(await guard.exited, { code: 0, signal: null });
  assert.ok(await isPortFree(guard.port, '127.0.0.1'));
}

function command(port: number, name: string, ...args: string[]): Promise<unknown> {
  const client = redis.createClient({ host: '127.0.0.1', port, password: PASSWORD });
  client.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    client.send_command(name, args, (error, reply: unknown) => {
      client.end(false);
      if (error) reject(error);
      else resolve(reply);
    });
  });
}

describe('redis-server', () => {
  it('keeps its data over a stop, and never drops keys to make room', async () => {
    await using folder = await temporaryFolder();
    const first = await ready(await startGuard(folder.path));
    await command(first.port, 'SET', 'key', 'value');
    assert.deepEqual(await command(first.port, 'CONFIG', 'GET', 'maxmemory-policy'), [
      'maxmemory-policy',
      'noeviction',
    ]);
    await end(first);
    const second = await ready(await startGuard(folder.path));
    assert.equal(await command(second.port, 'GET', 'key'), 'value');
    await end(second);
  });

  it('ends a Redis whose guard was killed before it starts another on its data', async () => {
    await using folder = await temporaryFolder();
    const first = await ready(await startGuard(folder.path));
    await command(first.port, 'SET', 'key', 'value');
    // The guard alone, not its group.
    process.kill(first.pid ?? 0, 'SIGKILL');
    await first.exited;
    assert.equal(await command(first.port, 'GET', 'key'), 'value', 'the orphan runs on');

    const second = await ready(await startGuard(folder.path));
    assert.ok(await isPortFree(first.port, '127.0.0.1'), 'the orphan is gone');
    assert.match(second.lines.join('\n'), /ended a Redis that was left behind \(pid \d+\)/);
    assert.equal(await command(second.port, 'GET', 'key'), 'value');
    await end(second);
  });

  it('leaves others alone that listen where the last Redis did', async () => {
    await using folder = await temporaryFolder();
    await using otherFolder = await temporaryFolder();
    const other = await ready(await startGuard(otherFolder.path));
    const web = createServer((_request, response) => response.end());
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port: webPort } = web.address() as { port: number };
    for (const port of [other.port, webPort]) {
      await writeFile(join(folder.path, 'redis.json'), JSON.stringify({ port }));
      const guard = await ready(await startGuard(folder.path));
      await end(guard);
      assert.equal(await isPortFree(port, '127.0.0.1'), false);
    }
    web.close();
    await end(other);
  });

  it('refuses a folder that another guard uses, naming it', async () => {
    await using folder = await temporaryFolder();
    const first = await ready(await startGuard(folder.path));
    const second = await startGuard(folder.path);
    assert.equal((await second.exited).code, 1);
    assert.match(second.failure() ?? '', new RegExp(`${join(folder.path, 'redis')} is in use`));
    await end(first);
  });

  it('starts on an append-only file whose end was cut off', async () => {
    await using folder = await temporaryFolder();
    const first = await ready(await startGuard(folder.path));
    await command(first.port, 'SET', 'key', 'value');
    await end(first);
    await appendFile(await incrementalFile(folder.path), '*3\r\n$3\r\nSET\r\n$3\r\ncut');
    const second = await ready(await startGuard(folder.path));
    assert.equal(await command(second.port, 'GET', 'key'), 'value');
    await end(second);
  });

  it('moves data aside that it cannot read, and starts without', async () => {
    await using folder = await temporaryFolder();
    const first = await ready(await startGuard(folder.path));
    await command(first.port, 'SET', 'key', 'value');
    await end(first);
    await writeFile(await incrementalFile(folder.path), 'no append-only file at all\r\n*1\r\n');
    const second = await ready(await startGuard(folder.path));
    assert.equal(await command(second.port, 'GET', 'key'), null);
    assert.ok((await readdir(folder.path)).some((name) => name.startsWith('redis.unreadable-')));
    await end(second);
  });

  it('comes back on the port that it had', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'redis'));
    const first = await ready(await startGuard(folder.path));
    process.kill(first.pid ?? 0, 'SIGKILL');
    await first.exited;
    await end(await ready(await startGuard(folder.path, first.port)));
  });
});

async function incrementalFile(folder: string): Promise<string> {
  const files = join(folder, 'redis/appendonlydir');
  const name = (await readdir(files)).find((file) => file.endsWith('.incr.aof'));
  return join(files, name ?? assert.fail('no append-only file'));
}

/**
 * Guards one Redis: `node redis-server.ts <folder> <port> <lock wait in ms>`. Redis itself would go on
 * for ever when its parent is killed; this process notices and ends it.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedPassword, endWithLauncher, report } from './child-protocol.ts';
import { lockFile } from './folder-lock.ts';
import { explain, LaunchError } from './launch-error.ts';
import { makePrivate } from './private-files.ts';
import { redisBinary } from './redis-binary.ts';
import { endOrphan, type RedisAddress, recordRedis, redisClients } from './redis-orphan.ts';
import { startRedis } from './redis-process.ts';

/** Longest time that clients get to finish once the launcher is gone: the longest shutdown of a worker. */
const ORPHAN_DRAIN_MS = 35_000;

async function main(folder: string, port: number, lockWaitMs: number): Promise<void> {
  const note = (message: string) => void report({ type: 'note', message });
  process.umask(0o077);
  const address = { port, password: embeddedPassword() };
  const binary = await redisBinary(note);
  await mkdir(folder, { recursive: true });
  const release = await lockFile(`${folder}.lock`, {
    waitMs: lockWaitMs,
    onWait: () => note(`waiting for the Redis that still uses ${folder}`),
  });
  if (!release)
    throw new LaunchError(`the data folder ${folder} is in use by another Redis of ragbase: stop that one first`);
  const orphan = await endOrphan(`${folder}.json`, folder);
  if (orphan) note(`ended a Redis that was left behind (pid ${orphan})`);
  await makePrivate(folder);
  await recordRedis(`${folder}.json`, address);
  const redis = await startRedis({ binary, folder: await realpath(folder), ...address, note });
  let ending = false;
  void redis.exited.then(async () => {
    if (ending) return;
    await report({ type: 'failed', message: `Redis ended by itself: ${redis.lastLine()}` });
    process.exit(1);
  });
  endWithLauncher(async (reason) => {
    if (reason === 'launcher gone') await clientsGone(address);
    ending = true;
    redis.child.kill('SIGTERM');
    const tooLong = setTimeout(() => redis.child.kill('SIGKILL'), 10_000);
    await redis.exited;
    clearTimeout(tooLong);
    release();
  });
  await report({ type: 'ready' });
}

async function clientsGone(address: RedisAddress): Promise<void> {
  const deadline = Date.now() + ORPHAN_DRAIN_MS;
  while (Date.now() < deadline && ((await redisClients(address)) ?? 0) > 0) await sleep(50);
}

// A launcher that was killed reads our output no more; that must not end this process before Redis.
process.stdout.on('error', () => undefined);
const [folder = '', port, lockWaitMs] = process.argv.slice(2);
main(folder, Number(port), Number(lockWaitMs)).catch(async (error: unknown) => {
  await report({ type: 'failed', message: explain(error, folder) });
  process.exit(1);
});

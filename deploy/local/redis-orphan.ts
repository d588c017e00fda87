import { readFile, realpath, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import redis from 'redis';
import { z } from 'zod';
import { LaunchError } from './launch-error.ts';
import { isPortFree } from './ports.ts';

/** Written before Redis is started, so that none ever runs without it. */
const recordSchema = z.object({ port: z.int().positive(), password: z.string().optional() });

/** Where a Redis listens, and what it asks for; those of old versions ask for nothing. */
export interface RedisAddress {
  port: number;
  password?: string | undefined;
}

/** Writes down how the Redis of a folder is reached. */
export async function recordRedis(recordFile: string, { port, password }: RedisAddress): Promise<void> {
  await writeFile(recordFile, `${JSON.stringify({ port, password })}\n`, { mode: 0o600 });
}

/**
 * Ends the Redis that a guard which was killed left behind on `folder`: two on one append-only file
 * would spoil it. Whoever listens on the recorded port is asked first whether it is a Redis on this
 * folder: the port may long be someone else's.
 * @returns the process id of the one that was ended.
 * @throws LaunchError where one may still run on the folder.
 */
export async function endOrphan(recordFile: string, folder: string): Promise<number | undefined> {
  const record = recordSchema.safeParse(await readJson(recordFile));
  if (!record.success) return undefined;
  const { port } = record.data;
  const admin = await connect(record.data);
  if (!admin) return undefined;
  try {
    const pid = await pidOfRedisOn(admin, await realpath(folder));
    if (pid === undefined) return undefined;
    await admin.command('SHUTDOWN').catch(() => undefined);
    await gone({ pid, port, folder });
    return pid;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new LaunchError(
      `port ${port} of the last Redis on ${folder} is open but silent: if that Redis hangs, end it; else delete ${recordFile}`,
    );
  } finally {
    admin.close();
  }
}

/** Number of clients of a Redis, without the one that asks; undefined where it does not answer. */
export async function redisClients(address: RedisAddress): Promise<number | undefined> {
  const admin = await connect(address);
  try {
    const clients = /^connected_clients:(\d+)/m.exec(String(await admin?.command('INFO', 'clients')))?.[1];
    return clients === undefined ? undefined : Number(clients) - 1;
  } catch {
    return undefined;
  } finally {
    admin?.close();
  }
}

/** Whether a Redis serves there: answers, and has read its data. */
export async function redisAnswers(address: RedisAddress): Promise<boolean> {
  const admin = await connect(address);
  try {
    return (await admin?.command('PING')) === 'PONG';
  } catch {
    return false;
  } finally {
    admin?.close();
  }
}

/** Undefined where it answers anything but that it is a Redis on this folder. */
async function pidOfRedisOn(admin: Admin, folder: string): Promise<number | undefined> {
  try {
    const directory = await admin.command('CONFIG', 'GET', 'dir');
    if (!Array.isArray(directory) || directory[1] !== folder) return undefined;
    const pid = /^process_id:(\d+)/m.exec(String(await admin.command('INFO', 'server')))?.[1];
    return pid === undefined ? undefined : Number(pid);
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    return undefined;
  }
}

/**
 * Waits until the port is closed, which Redis does when its file is written. (The process id says
 * less: where nobody reaps orphans, a dead one keeps it.)
 */
async function gone(orphan: { pid: number; port: number; folder: string }): Promise<void> {
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 50) {
    if (await isPortFree(orphan.port, '127.0.0.1')) return;
    // SHUTDOWN is refused where the file can't be written.
    if (waitedMs >= 5_000) process.kill(orphan.pid, 'SIGKILL');
    await sleep(50);
  }
  throw new LaunchError(
    `a Redis that was left behind (pid ${orphan.pid}) still uses ${orphan.folder}: end it with kill -9 ${orphan.pid}, then start again`,
  );
}

interface Admin {
  command(name: string, ...args: string[]): Promise<unknown>;
  close(): void;
}

const ANSWER_MS = 2_000;

class NoAnswer extends Error {}

async function connect({ port, password }: RedisAddress): Promise<Admin | undefined> {
  const client = redis.createClient({
    host: '127.0.0.1',
    port,
    ...(password !== undefined && { password }),
    connect_timeout: ANSWER_MS,
    // INFO before every connection would wait for ever on a port that isn't Redis.
    no_ready_check: true,
    retry_strategy: () => new Error('not connected'),
  });
  const connected = await new Promise<boolean>((resolve) => {
    client.once('connect', () => resolve(true));
    client.on('error', () => resolve(false));
  });
  if (!connected) return undefined;
  return {
    command: (name, ...args) =>
      new Promise((resolve, reject) => {
        setTimeout(() => reject(new NoAnswer()), ANSWER_MS).unref();
        client.send_command(name, args, (error, reply: unknown) => (error ? reject(error) : resolve(reply)));
      }),
    close: () => client.end(false),
  };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}

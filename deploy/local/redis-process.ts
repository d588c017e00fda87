import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LaunchError } from './launch-error.ts';
import type { RedisBinary } from './redis-binary.ts';
import { redisAnswers } from './redis-orphan.ts';

/** On kernel settings for busy servers: no news here. */
const ADVICE = /overcommit|backlog/;
/** Redis reports each start and stop as a warning; these are worth showing. */
const TROUBLE = /error|fail|can't|cannot|unable|no space|corrupt|truncat/i;

export interface RedisOptions {
  binary: RedisBinary;
  /** Absolute, without symbolic links, as Redis itself reports it. */
  folder: string;
  port: number;
  password: string;
  note: (line: string) => void;
}

export interface RunningRedis {
  child: ChildProcess;
  exited: Promise<void>;
  /** Last line that it wrote. */
  lastLine(): string;
}

/** Starts Redis and waits until it answers. What can't be read of its data is moved aside: Postgres is the truth. */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  const { folder, note } = options;
  for (let attempt = 1; ; attempt += 1) {
    const redis = runRedis(options);
    let over = false;
    void redis.exited.then(() => {
      over = true;
    });
    while (!over) {
      if (await redisAnswers(options)) return redis;
      await sleep(20);
    }
    const unreadable = /bad file format|error (loading|reading)|corrupt/i.test(redis.lastLine());
    if (!unreadable || attempt > 1) throw new LaunchError(`Redis could not start: ${redis.lastLine()}`);
    const aside = `${folder}.unreadable-${Date.now()}`;
    await rename(folder, aside);
    await mkdir(folder);
    note(`Redis could not read its data, which is now in ${aside}; waiting documents are queued again from Postgres`);
  }
}

function runRedis({ binary, folder, port, password }: RedisOptions): RunningRedis {
  const child = spawn(binary.path, ['-', ...redisArguments(folder, port)], {
    argv0: binary.argv0,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // Not by an argument, which everybody on the machine can read.
  child.stdin.on('error', () => undefined).end(`requirepass ${password}\n`);
  let lastLine = 'no reason given';
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() === '' || ADVICE.test(line)) return;
      lastLine = line.replace(/^\d+:\w \d+ \w+ \d+ [\d:.]+ [#*.-] /, '');
      if (TROUBLE.test(line)) process.stdout.write(`${lastLine}\n`);
    });
  }
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      lastLine = error.message;
      resolve();
    });
    child.once('close', () => resolve());
  });
  return { child, exited, lastLine: () => lastLine };
}

function* redisArguments(folder: string, port: number): Generator<string> {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    daemonize: 'no',
    loglevel: 'warning',
    // The queue survives a kill -9 but for its last second, which the backend puts back from Postgres.
    appendonly: 'yes',
    appendfsync: 'everysec',
    'aof-load-truncated': 'yes',
    save: '',
    // Dropping a key of the queue to make room would lose a job without a word.
    'maxmemory-policy': 'noeviction',
  };
  for (const [name, value] of Object.entries(settings)) yield* [`--${name}`, value];
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import redis from 'redis';

/** A real Redis of its own, on a free port of 127.0.0.1, that a test may treat as it likes. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Starts it on the same port, and waits until it answers. */
  start(options?: StartOptions): Promise<void>;
  /** SIGTERM: Redis saves and leaves. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay, nothing answers. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /**
   * Wants a password that nobody has of each new connection, until the answer is called. Of no effect on the old
   * ones, nor after a restart.
   */
  refuse(): Promise<() => Promise<void>>;
  /** Sends a command over a connection of its own. */
  command(name: string, ...args: string[]): Promise<unknown>;
  /** Ends it, whatever its state, and removes its data. */
  close(): Promise<void>;
}

export interface StartOptions {
  data?: 'keep' | 'discard';
  /** Asked of everybody, in the place of the one before; none by default. */
  password?: string;
}

/** Starts an empty Redis with an append-only file. `down: true` only reserves its place. */
export async function openRedisServer(options: { down?: true } = {}): Promise<RedisServer> {
  const binary = findServer() ?? installServer();
  const dir = await mkdtemp(join(tmpdir(), 'redis-'));
  const port = await freePort();
  let child: ChildProcess | undefined;
  let password = '';

  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill(signal);
    await exited;
  };
  const killNow = () => void child?.kill('SIGKILL');
  process.once('exit', killNow);

  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    async start({ data = 'keep', password: asked = '' } = {}) {
      password = asked;
      if (data === 'discard') await rm(dir, { recursive: true, force: true });
      await mkdir(dir, { recursive: true });
      child = launch(binary, { port, dir, password });
      await untilItAnswers(port, child);
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    refuse: () => wantPassword(server.url),
    command: (name, ...args) =>
      sendOnce(`redis://${password && `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`, name, args),
    async close() {
      await end('SIGKILL');
      process.removeListener('exit', killNow);
      await rm(dir, { recursive: true, force: true });
    },
  };
  if (!options.down) await server.start();
  return server;
}

interface Binary {
  path: string;
  argv0: string;
}

/** On the PATH, or in Debian's redis-tools, where one binary is all of Redis and looks at the name it is called by. */
function findServer(): Binary | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const name of ['redis-server', 'valkey-server', 'redis-check-rdb'])
    for (const folder of folders)
      if (existsSync(join(folder, name)))
        return { path: join(folder, name), argv0: name === 'redis-check-rdb' ? 'redis-server' : name };
  return undefined;
}

function installServer(): Binary {
  const wait = '-o DPkg::Lock::Timeout=120';
  spawnSync('sh', ['-c', `apt-get ${wait} update -qq && apt-get ${wait} install -y -qq redis-tools`], {
    stdio: 'ignore',
  });
  const binary = findServer();
  if (!binary)
    throw new Error('These tests need redis-server on the PATH: install redis, or run as root on Debian or Ubuntu.');
  return binary;
}

function launch(
  { path, argv0 }: Binary,
  { port, dir, password }: { port: number; dir: string; password: string },
): ChildProcess {
  const settings = {
    port,
    dir,
    bind: '127.0.0.1',
    appendonly: 'yes',
    // The default, everysec, answers before it writes while an fsync is under way: a kill loses what it acknowledged.
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
    requirepass: password,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return spawn(path, args, { argv0, stdio: 'ignore' });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function untilItAnswers(port: number, child: ChildProcess): Promise<void> {
  while (!(await answersPing(port))) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with status ${child.exitCode}`);
    await delay(10);
  }
}

/** By hand, since a client would wait and retry. A server that is still loading answers with an error. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
    });
    socket.once('error', () => resolve(false));
  });
}

async function wantPassword(url: string): Promise<() => Promise<void>> {
  const client = redis.createClient({ url, retry_strategy: ({ error }) => error });
  // The server may be killed meanwhile.
  client.on('error', () => undefined);
  const demand = (password: string) =>
    new Promise<void>((resolve, reject) => {
      client.send_command('CONFIG', ['SET', 'requirepass', password], (error) => (error ? reject(error) : resolve()));
    });
  await demand('of nobody');
  return async () => {
    await demand('').catch(() => undefined);
    client.end(false);
  };
}

async function sendOnce(url: string, name: string, args: string[]): Promise<unknown> {
  const client = redis.createClient({ url, retry_strategy: ({ error }) => error });
  try {
    return await new Promise((resolve, reject) => {
      client.once('error', reject);
      client.send_command(name, args, (error, reply) => (error ? reject(error) : resolve(reply)));
    });
  } finally {
    client.end(false);
  }
}

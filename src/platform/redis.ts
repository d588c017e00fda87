import { createRequire } from 'node:module';
import type { ClientOpts, RedisClient } from 'redis';
import type { BurstLog } from './burst-log.ts';
import { withTimeout } from './timeout.ts';
import { untraced } from './untraced.ts';

export type { RedisClient } from 'redis';

// Not by `import`: redis 3 requires itself while it loads, and where an import came first, that is the
// first that its instrumentation sees of it, half-loaded; the process would end there.
const redis: typeof import('redis') = createRequire(import.meta.url)('redis');

export interface RedisOptions {
  /** `redis://[[user]:password@]host[:port][/db]`, or `rediss:` for TLS. */
  url: string;
  /** What a command meets while there is no connection: rejected at once, or kept until there is one. */
  whenDown: 'reject' | 'wait';
  /** Hears of lost connections and of their return. */
  log: BurstLog;
}

/** No answer from Redis in time. The command may still take effect. */
export class RedisTimeoutError extends Error {
  override readonly name = 'RedisTimeoutError';
  readonly code = 'REDIS_TIMEOUT';
}

/** The client adds up the time it waits to reconnect, and beyond this sum gives up for good; its default is an hour. */
const NEVER_GIVE_UP_MS = 2 ** 31 - 1;

/**
 * Opens a connection that outlives every outage. Returns at once: Redis need not be there yet, and
 * nothing is thrown when it is away.
 */
export function openRedis({ url, whenDown, log }: RedisOptions): RedisClient {
  const options: ClientOpts = {
    url,
    enable_offline_queue: whenDown === 'wait',
    connect_timeout: NEVER_GIVE_UP_MS,
    // A host that vanished without a word is noticed after some 20 s, not after the system's two hours.
    socket_initial_delay: 10_000,
    retry_strategy: ({ attempt, error }) => {
      log.failed(error ?? new ConnectionClosed('Redis closed the connection'));
      return Math.min(attempt * 100, 1000);
    },
  };
  // Or the reconnects of a client that was opened within a request would belong to its trace for ever.
  const client = untraced(() => redis.createClient(options));
  // Without a listener, an 'error' ends the process, and a 'warning' goes to the console.
  client.on('error', (error: Error) => log.failed(error));
  client.on('warning', () => undefined);
  client.on('ready', () => log.recovered());
  return client;
}

class ConnectionClosed extends Error {
  override readonly name = 'ConnectionClosed';
}

/**
 * Sends one command.
 * @throws RedisTimeoutError without an answer after `timeoutMs`; what node_redis throws otherwise.
 *   Beware: its errors carry the arguments.
 */
export function sendCommand(
  client: RedisClient,
  [command, ...args]: [string, ...string[]],
  { timeoutMs }: { timeoutMs: number },
): Promise<unknown> {
  return withTimeout(
    callRedis(client, command, args),
    timeoutMs,
    () => new RedisTimeoutError(`no answer to ${command}`),
  );
}

/** Sends one command and waits for as long as it takes. */
export function callRedis(client: RedisClient, command: string, args: readonly (string | number)[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.send_command(command, [...args], (error: Error | null, reply: unknown) =>
      error ? reject(error) : resolve(reply),
    );
  });
}

/** Whether Redis answers within `timeoutMs`. Never rejects. */
export async function pingRedis(client: RedisClient, timeoutMs: number): Promise<boolean> {
  // Or each probe during an outage would be one more command that waits for its end.
  if (!client.connected) return false;
  return sendCommand(client, ['PING'], { timeoutMs }).then(
    (reply) => reply === 'PONG',
    () => false,
  );
}

/** Ends a connection after what it was asked before; by force after `timeoutMs`. Never rejects. */
export async function closeRedis(client: RedisClient, timeoutMs: number): Promise<void> {
  const quit = new Promise<void>((resolve) => client.quit(() => resolve()));
  await withTimeout(quit, timeoutMs, () => new RedisTimeoutError('no answer to QUIT')).catch(() => undefined);
  client.end(true);
}

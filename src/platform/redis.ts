import { createRequire } from 'node:module';
import type { ClientOpts, RedisClient } from 'redis';
import type { BurstLog } from './burst-log.ts';
import { RedisTimeoutError } from './redis-command.ts';
import { type RedisProbe, tryProbe } from './redis-probe.ts';
import { checkReadyByPing, watchSilence } from './redis-watch.ts';
import { withTimeout } from './timeout.ts';
import { untraced } from './untraced.ts';

export type { RedisClient } from 'redis';

// Not by `import`: redis 3 requires itself while it loads, and where an import came first, that is the
// first that its instrumentation sees of it, half-loaded; the process would end there.
const redis: typeof import('redis') = createRequire(import.meta.url)('redis');

/** `redis://[[user]:password@]host[:port][/db]`, or `rediss:` for TLS; or what gives it, its password as it is now. */
export type RedisUrl = string | (() => string);

export interface RedisOptions {
  url: RedisUrl;
  /** What a command meets while there is no connection: rejected at once, or kept until there is one. */
  whenDown: 'reject' | 'wait';
  /** Tried when nothing else is under way: only then an outage is over. Without, for a connection that blocks. */
  probe?: RedisProbe;
  /** Hears of lost and refused connections, and of the probe's success. */
  log: BurstLog;
  /** A connection that was silent for two to three times as long is replaced (5000), in ms. */
  watchMs?: number;
}

/** The client adds up the time it waits to reconnect, and beyond this sum gives up for good; its default is an hour. */
const NEVER_GIVE_UP_MS = 2 ** 31 - 1;

/**
 * Opens a connection that outlives every outage and every refusal. Returns at once: Redis need not be
 * there yet, and nothing is thrown when it is away.
 */
export function openRedis({ url, whenDown, probe, log, watchMs = 5_000 }: RedisOptions): RedisClient {
  // Since it last worked. The client's own count begins anew with each socket, refused or not.
  let failures = 0;
  const options: ClientOpts = {
    url: urlNow(url),
    enable_offline_queue: whenDown === 'wait',
    connect_timeout: NEVER_GIVE_UP_MS,
    // A host that vanished without a word is noticed after some 20 s, not after the system's two hours.
    socket_initial_delay: 10_000,
    retry_strategy: ({ error }) => {
      log.failed(error ?? new ConnectionClosed('Redis closed the connection'));
      failures += 1;
      takePassword(client, url);
      return Math.min(failures * 100, 1000);
    },
  };
  // Or the reconnects of a client that was opened within a request would belong to its trace for ever.
  const client = untraced(() => redis.createClient(options));
  return untraced(() => {
    const works = () => {
      failures = 0;
      log.recovered();
    };
    const ask = () => {
      if (probe) tryProbe(client, probe, watchMs).then(works, log.failed);
    };
    checkReadyByPing(client);
    client.on('error', (error: Error) => {
      log.failed(error);
      // Refused a password, say: the client would leave the connection open and never use it.
      client.stream.destroy();
    });
    // Without a listener, it goes to the console.
    client.on('warning', () => undefined);
    client.on('ready', () => {
      if (!probe) failures = 0;
      ask();
    });
    watchSilence(client, {
      intervalMs: watchMs,
      ask,
      onSilent: () => log.failed(new RedisTimeoutError('Redis is silent')),
    });
    return client;
  });
}

const urlNow = (url: RedisUrl): string => (typeof url === 'string' ? url : url());

/** The next connection logs in with the password of now: it may have been exchanged since. */
function takePassword(client: RedisClient, url: RedisUrl): void {
  if (typeof url === 'string') return;
  try {
    const { password } = new URL(url());
    // Read at each connection; its types leave it out.
    if (password) Object.assign(client, { auth_pass: decodeURIComponent(password) });
  } catch {
    // Its file is away: with the last one, then.
  }
}

class ConnectionClosed extends Error {
  override readonly name = 'ConnectionClosed';
}

/** Ends a connection after what it was asked before; by force after `timeoutMs`. Never rejects. */
export async function closeRedis(client: RedisClient, timeoutMs: number): Promise<void> {
  const quit = new Promise<void>((resolve) => client.quit(() => resolve()));
  await withTimeout(quit, timeoutMs, () => new RedisTimeoutError('no answer to QUIT')).catch(() => undefined);
  client.end(true);
}

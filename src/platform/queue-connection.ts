import BeeQueue from 'bee-queue';
import type { BurstLog } from './burst-log.ts';
import { errorType } from './errors.ts';
import { DROP_GHOSTS, readBeeScripts, type Script } from './queue-scripts.ts';
import type { Envelope } from './queue-tracing.ts';
import { callRedis, openRedis, type RedisClient } from './redis.ts';
import { withTimeout } from './timeout.ts';
import { untraced } from './untraced.ts';

export interface QueueConnectionOptions {
  name: string;
  redisUrl: string;
  role: 'producer' | 'consumer';
  /** A job whose worker gives no sign for this long is given to another. */
  stallIntervalMs: number;
  log: BurstLog;
}

/** A bee-queue that survives what Redis goes through, and the parts of it that bee-queue leaves to us. */
export interface QueueConnection {
  queue: BeeQueue<Envelope>;
  /** The connection for everything but waiting for jobs. */
  client: RedisClient;
  /** Gives stalled jobs to others, lets delayed jobs in that are due, and drops ids without a job. */
  sweep(): Promise<void>;
  /** Takes no more jobs, waits for those in flight and ends, by force after `timeoutMs`. Never rejects. */
  close(timeoutMs: number): Promise<void>;
}

/** What bee-queue 2.0.0 has and its types leave out. */
interface Internals {
  client: RedisClient;
  bclient: RedisClient;
  makeClient(role: 'client' | 'bclient'): Promise<RedisClient>;
  _evalScript(name: string, keyCount: number, ...args: (string | number)[]): Promise<unknown>;
  _commandable(): Promise<RedisClient>;
  _redisFailureRetryDelay: number;
  toKey(name: string): string;
}

/** Opens a queue; Redis need not be there yet. */
export function openQueueConnection(options: QueueConnectionOptions): QueueConnection {
  const queue = createQueue(options);
  const internals = queue as unknown as Internals;
  const clients = useOwnClients(internals, options);
  const runScript = guardScripts(internals, options);
  queue.on('error', (error: Error) => {
    // Else the pause before it asks for a job again doubles with every failure, without bound.
    internals._redisFailureRetryDelay = 0;
    options.log.failed(error);
  });
  void queue.connect();
  const key = (name: string) => internals.toKey(name);

  return {
    queue,
    client: internals.client,
    async sweep() {
      await queue.checkStalledJobs();
      // Not by `activateDelayedJobs`: that hangs on a subscription which, if refused once, never comes back.
      await internals._evalScript('raiseDelayedJobs', 2, key('delayed'), key('waiting'), Date.now(), 0);
      await runScript(internals.client, DROP_GHOSTS, [2, key('active'), key('jobs')]);
    },
    async close(timeoutMs) {
      const closed = untraced(() => queue.close(Math.max(1, Math.ceil(timeoutMs))));
      // Rejects when Redis is away, and waits for ever for one that is frozen.
      await withTimeout(closed, timeoutMs + 500, () => new Error('no end')).catch(() => undefined);
      for (const client of clients) client.end(true);
    },
  };
}

function createQueue({ name, role, stallIntervalMs }: QueueConnectionOptions): BeeQueue<Envelope> {
  const settings = {
    isWorker: role === 'consumer',
    stallInterval: stallIntervalMs,
    // The truth is elsewhere: a job that has ended leaves nothing behind, and nobody is told.
    removeOnSuccess: true,
    removeOnFailure: true,
    storeJobs: false,
    getEvents: false,
    sendEvents: false,
    // Scripts and clients are ours (below), so there is nothing at the start that can fail for good.
    ensureScripts: false,
    autoConnect: false,
    initialRedisFailureRetryDelay: 500,
  };
  return new BeeQueue<Envelope>(name, settings);
}

/**
 * Gives bee-queue connections that reconnect for ever. Its own way awaits `ready` and takes the
 * first error until then as final, so that it never starts if Redis is away or restarts just then.
 */
function useOwnClients(internals: Internals, { redisUrl, role, log }: QueueConnectionOptions): RedisClient[] {
  // A producer must fail at once rather than hang; a worker has time.
  const whenDown = role === 'producer' ? 'reject' : 'wait';
  const open = () => openRedis({ url: redisUrl, whenDown, log });
  const clients = { client: open(), ...(role === 'consumer' && { bclient: open() }) };
  Object.assign(internals, clients, {
    makeClient: async (name: 'client' | 'bclient') => internals[name],
  });
  return Object.values(clients);
}

/**
 * bee-queue only ever sends EVALSHA, so a Redis that restarted, and lost its scripts, would refuse
 * every job until we restart too: then the text is sent.
 */
function guardScripts(internals: Internals, { log }: QueueConnectionOptions) {
  const scripts = readBeeScripts();
  const run = async (client: RedisClient, { sha, text }: Script, args: (string | number)[]): Promise<unknown> => {
    try {
      return await callRedis(client, 'EVALSHA', [sha, ...args]);
    } catch (error) {
      if (errorType(error) !== 'NOSCRIPT') throw error;
      return callRedis(client, 'EVAL', [text, ...args]);
    }
  };
  internals._evalScript = async (name, ...args) => {
    const script = scripts.get(name);
    if (!script) throw new Error(`bee-queue has no script ${name}`);
    try {
      return await run(await internals._commandable(), script, args);
    } catch (error) {
      // bee-queue takes its first job after the first such check, and if that fails, none ever.
      if (name !== 'checkStalledJobs') throw error;
      log.failed(error);
      return [];
    }
  };
  return run;
}

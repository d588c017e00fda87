import BeeQueue from 'bee-queue';
import type { BurstLog } from './burst-log.ts';
import { errorType } from './errors.ts';

import { DROP_GHOSTS, QUEUE_PROBE, readBeeScripts, type Script } from './queue-scripts.ts';
import { takeInTurns } from './queue-take.ts';
import type { Envelope } from './queue-tracing.ts';
import { openRedis, type RedisClient, type RedisUrl } from './redis.ts';
import { callRedis } from './redis-command.ts';
import { probeRedis, type RedisProbe } from './redis-probe.ts';
import { type Refusals, trackRefusals } from './redis-refusals.ts';
import { withTimeout } from './timeout.ts';
import { untraced } from './untraced.ts';

export interface QueueConnectionOptions {
  name: string;
  redisUrl: RedisUrl;
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
  /** Ends a burst only when nothing is refused any more. */
  log: BurstLog;
  /** Whether Redis takes jobs, and refuses nothing of what else is done with them. Never rejects. */
  works(timeoutMs: number): Promise<boolean>;
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
  const key = (name: string) => internals.toKey(name);
  const probe = { key: key('probe'), script: QUEUE_PROBE };
  const refusals = trackRefusals(options.log);
  const { log } = refusals;
  const clients = useOwnClients(internals, { ...options, probe, refusals });
  const { runScript, runBeeScript } = guardScripts(internals, log);
  queue.on('error', (error: Error) => {
    // Else the pause before it asks for a job again doubles with every failure, without bound.
    internals._redisFailureRetryDelay = 0;
    log.failed(error);
  });
  void queue.connect();

  return {
    queue,
    client: internals.client,
    log,
    works: async (timeoutMs) => (await probeRedis(internals.client, probe, timeoutMs)) && !refusals.any(),
    sweep: () =>
      refusals.note('sweep', async () => {
        const stallKeys = [key('stallBlock'), key('stalling'), key('waiting'), key('active')];
        await runBeeScript('checkStalledJobs', 4, ...stallKeys, options.stallIntervalMs);
        // Not by `activateDelayedJobs`: that hangs on a subscription which, if refused once, never comes back.
        await runBeeScript('raiseDelayedJobs', 2, key('delayed'), key('waiting'), Date.now(), 0);
        await runScript(internals.client, DROP_GHOSTS, [2, key('active'), key('jobs')]);
      }),
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
function useOwnClients(
  internals: Internals,
  { redisUrl, role, probe, refusals }: QueueConnectionOptions & { probe: RedisProbe; refusals: Refusals },
): RedisClient[] {
  // A producer must fail at once rather than hang; a worker has time.
  const whenDown = role === 'producer' ? 'reject' : 'wait';
  const options = { url: redisUrl, whenDown, log: refusals.log } as const;
  const client = openRedis({ ...options, probe });
  const bclient = role === 'consumer' && takeInTurns(openRedis(options), refusals);
  const clients = { client, ...(bclient && { bclient }) };
  Object.assign(internals, clients, {
    makeClient: async (name: 'client' | 'bclient') => internals[name],
  });
  return Object.values(clients);
}

/**
 * bee-queue only ever sends EVALSHA, so a Redis that restarted, and lost its scripts, would refuse
 * every job until we restart too: then the text is sent.
 */
function guardScripts(internals: Internals, log: BurstLog) {
  const scripts = readBeeScripts();
  const runScript = async (client: RedisClient, { sha, text }: Script, args: (string | number)[]): Promise<unknown> => {
    try {
      return await callRedis(client, 'EVALSHA', [sha, ...args]);
    } catch (error) {
      if (errorType(error) !== 'NOSCRIPT') throw error;
      return callRedis(client, 'EVAL', [text, ...args]);
    }
  };
  const runBeeScript: Internals['_evalScript'] = async (name, ...args) => {
    const script = scripts.get(name);
    if (!script) throw new Error(`bee-queue has no script ${name}`);
    return runScript(await internals._commandable(), script, args);
  };
  internals._evalScript = async (name, ...args) => {
    try {
      return await runBeeScript(name, ...args);
    } catch (error) {
      // bee-queue takes its first job after the first such check, and if that fails, none ever.
      if (name !== 'checkStalledJobs') throw error;
      log.failed(error);
      return [];
    }
  };
  return { runScript, runBeeScript };
}

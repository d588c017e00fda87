import { createHash } from 'node:crypto';
import { burstLog } from '../platform/burst-log.ts';
import type { Logger } from '../platform/logger.ts';
import { closeRedis, openRedis, type RedisUrl } from '../platform/redis.ts';
import { sendCommand } from '../platform/redis-command.ts';
import { COUNT_PROBE } from '../platform/redis-probe.ts';
import { describeRefusal } from '../platform/redis-words.ts';
import { untraced } from '../platform/untraced.ts';

/** Counts occurrences by type, and says when one is due to be told of. */
export interface Tally {
  /**
   * Counts one.
   * @returns how many there have been of the type within the hour, if now is the time to tell of it: once in that hour.
   */
  count(type: string, threshold: number): Promise<number | undefined>;
  /** Nobody could be told: the next occurrence after `waitMs` tries again. */
  untold(type: string, waitMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface TallyOptions {
  redisUrl: RedisUrl;
  logger: Logger;
  /** From the first occurrence of a type, in ms. */
  windowMs: number;
  timeoutMs?: number;
}

/** KEYS: count, told. ARGV: threshold, window in ms. One step, so that of many processes one tells. */
const COUNT = `
  local count = redis.call('INCR', KEYS[1])
  if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  if count < tonumber(ARGV[1]) then return 0 end
  if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return count end
  return 0`;

/** Counts in Redis for all processes together, and in memory while Redis is away. */
export function openTally({ redisUrl, logger, windowMs, timeoutMs = 500 }: TallyOptions): Tally {
  const log = burstLog({ logger, subject: 'alert tally', describe: describeRefusal });
  const probe = { key: 'alert:probe', script: COUNT_PROBE };
  const redis = openRedis({ url: redisUrl, whenDown: 'reject', probe, log });
  const own = countInMemory(windowMs);
  const send = (...args: [string, ...string[]]) => untraced(() => sendCommand(redis, args, { timeoutMs }));
  return {
    async count(type, threshold) {
      const [count, told] = keysOf(type);
      try {
        const due = Number(await send('EVAL', COUNT, '2', count, told, String(threshold), String(windowMs)));
        // What this process told of while Redis was away, Redis does not know.
        return due > 0 && !own.wasTold(type) ? due : undefined;
      } catch (error) {
        log.failed(error);
        return own.count(type, threshold);
      }
    },
    async untold(type, waitMs) {
      own.untold(type, waitMs);
      await send('PEXPIRE', keysOf(type)[1], String(waitMs)).catch(() => undefined);
    },
    close: () => closeRedis(redis, 1_000),
  };
}

function keysOf(type: string): [string, string] {
  const name = createHash('sha256').update(type).digest('hex').slice(0, 32);
  return [`alert:count:${name}`, `alert:told:${name}`];
}

interface Entry {
  count: number;
  until: number;
  /** Told of it, until then. */
  toldUntil: number;
}

function countInMemory(windowMs: number) {
  const entries = new Map<string, Entry>();
  const entryOf = (type: string): Entry => {
    const now = performance.now();
    for (const [other, { until }] of entries) if (until < now) entries.delete(other);
    const entry = entries.get(type) ?? { count: 0, until: now + windowMs, toldUntil: 0 };
    entries.set(type, entry);
    return entry;
  };
  return {
    count(type: string, threshold: number): number | undefined {
      const entry = entryOf(type);
      entry.count += 1;
      if (entry.count < threshold || entry.toldUntil > performance.now()) return undefined;
      entry.toldUntil = entry.until;
      return entry.count;
    },
    wasTold: (type: string): boolean => (entries.get(type)?.toldUntil ?? 0) > performance.now(),
    untold(type: string, waitMs: number): void {
      const entry = entries.get(type);
      if (entry) entry.toldUntil = Math.min(entry.toldUntil, performance.now() + waitMs);
    },
  };
}

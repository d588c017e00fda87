import type { RedisReply } from 'rate-limit-redis';
import { type BurstLog, burstLog } from './burst-log.ts';
import type { Logger } from './logger.ts';
import { closeRedis, openRedis, type RedisUrl } from './redis.ts';
import { RedisTimeoutError, sendCommand } from './redis-command.ts';
import { COUNT_PROBE, probeRedis } from './redis-probe.ts';
import { describeRefusal } from './redis-words.ts';
import { untraced } from './untraced.ts';

export interface LimitRedisOptions {
  url: RedisUrl;
  logger: Logger;
  /** Longest wait for an answer (150), in ms. */
  timeoutMs?: number;
  /** After one that did not come, nothing is asked for this long (1000), in ms. */
  pauseMs?: number;
}

/** The connection that all limits of a process count over. */
export interface LimitRedis {
  /** @throws RedisTimeoutError in bounded time, and at once while Redis is down or was silent a moment ago. */
  send(args: [string, ...string[]]): Promise<RedisReply>;
  /** Tells of an outage in two lines, however many limits meet it. */
  log: BurstLog;
  /** Whether Redis counts; never rejects. */
  ping(): Promise<boolean>;
  close(): Promise<void>;
}

/** Opens the connection; Redis need not be there yet. */
export function openLimitRedis({ url, logger, timeoutMs = 150, pauseMs = 1_000 }: LimitRedisOptions): LimitRedis {
  const log = burstLog({ logger, subject: 'rate limit', describe: describeRefusal });
  const probe = { key: 'limit:probe', script: COUNT_PROBE };
  const client = openRedis({ url, whenDown: 'reject', probe, log });
  let pausedUntil = 0;
  return {
    log,
    async send(args) {
      // Several commands for a request, and many requests: each would wait for a Redis that is frozen.
      if (performance.now() < pausedUntil) throw new RedisTimeoutError('Redis was silent a moment ago');
      try {
        // A span of it in each request's trace would cost more than it tells.
        return (await untraced(() => sendCommand(client, args, { timeoutMs }))) as RedisReply;
      } catch (error) {
        if (error instanceof RedisTimeoutError) pausedUntil = performance.now() + pauseMs;
        throw error;
      }
    },
    ping: () => probeRedis(client, probe, 500),
    close: () => closeRedis(client, 1_000),
  };
}

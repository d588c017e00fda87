import { createHash } from 'node:crypto';
import { metrics } from '@opentelemetry/api';
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';
import { type RedisReply, RedisStore } from 'rate-limit-redis';
import { burstLog } from './burst-log.ts';
import type { Logger } from './logger.ts';
import { type RedisClient, sendCommand } from './redis.ts';
import { untraced } from './untraced.ts';

export interface RateLimitStoreOptions {
  /** Opened with `whenDown: 'reject'`, or requests would wait for the end of an outage. */
  redis: RedisClient;
  /** Before each key in Redis; one for each limit. */
  prefix: string;
  /** Longest wait for an answer; a request may meet it three times where Redis lost its scripts. */
  timeoutMs: number;
  logger: Logger;
}

/** Counts in Redis, for all processes together. */
export interface RateLimitStore extends Store {
  /** The count as it stands. */
  peek(key: string): Promise<ClientRateLimitInfo>;
}

/** Rejects in bounded time while Redis is down or frozen, and tells of it: a line a burst, and a counter. */
export function rateLimitStore({ redis, prefix, timeoutMs, logger }: RateLimitStoreOptions): RateLimitStore {
  const log = burstLog({ logger, subject: 'rate limit', fields: { limit: prefix } });
  const failures = metrics
    .getMeter('ragbase.rate-limit')
    .createCounter('rate_limit_failures_total', { description: 'Requests that passed uncounted, for want of Redis' });
  failures.add(0, { limit: prefix });
  const store = new RedisStore({
    prefix,
    // A span of it in each request's trace would cost more than it tells.
    sendCommand: (...args) => untraced(() => send(redis, args as [string, ...string[]], timeoutMs)),
  });

  async function observed<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await work;
      log.recovered();
      return result;
    } catch (error) {
      log.failed(error);
      failures.add(1, { limit: prefix });
      throw error;
    }
  }

  return {
    prefix,
    init: (options) => store.init(options),
    increment: (key) => observed(store.increment(key)),
    decrement: (key) => store.decrement(key),
    resetKey: (key) => store.resetKey(key),
    async peek(key) {
      const info = await observed(store.get(key));
      // The store makes NaN of a key that is not there.
      return { totalHits: info?.totalHits || 0, resetTime: info?.resetTime };
    },
  };
}

async function send(redis: RedisClient, args: [string, ...string[]], timeoutMs: number): Promise<RedisReply> {
  try {
    return (await sendCommand(redis, args, { timeoutMs })) as RedisReply;
  } catch (error) {
    const [command, subcommand, text] = args;
    // The store loads its scripts once, and keeps a failure for ever: a process that starts before Redis
    // would never limit. With the hash that Redis would have answered, the store finds the script missing
    // at the first count that gets through, and loads it then.
    if (command === 'SCRIPT' && subcommand === 'LOAD' && text) return createHash('sha1').update(text).digest('hex');
    throw error;
  }
}

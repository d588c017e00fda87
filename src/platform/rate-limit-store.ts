import { createHash } from 'node:crypto';
import { metrics } from '@opentelemetry/api';
import type { Store } from 'express-rate-limit';
import { type RedisReply, RedisStore } from 'rate-limit-redis';
import type { LimitRedis } from './rate-limit-redis.ts';

export interface RateLimitStoreOptions {
  redis: LimitRedis;
  /** Before each key in Redis; one for each limit. */
  prefix: string;
}

/** Counts in Redis, for all processes together. Rejects in bounded time while Redis is down or frozen, and tells of it: a line a burst, and a counter. */
export function rateLimitStore({ redis, prefix }: RateLimitStoreOptions): Store {
  const failures = metrics
    .getMeter('ragbase.rate-limit')
    .createCounter('rate_limit_failures_total', { description: 'Requests that passed uncounted, for want of Redis' });
  failures.add(0, { limit: prefix });
  const store = new RedisStore({ prefix, sendCommand: (...args) => send(redis, args as [string, ...string[]]) });

  async function observed<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await work;
      redis.log.recovered();
      return result;
    } catch (error) {
      redis.log.failed(error);
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
  };
}

async function send(redis: LimitRedis, args: [string, ...string[]]): Promise<RedisReply> {
  try {
    return await redis.send(args);
  } catch (error) {
    const [command, subcommand, text] = args;
    // The store loads its scripts once, and keeps a failure for ever: a process that starts before Redis
    // would never limit. With the hash that Redis would have answered, the store finds the script missing
    // at the first count that gets through, and loads it then.
    if (command === 'SCRIPT' && subcommand === 'LOAD' && text) return createHash('sha1').update(text).digest('hex');
    throw error;
  }
}

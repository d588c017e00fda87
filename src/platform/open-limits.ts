import type { RequestHandler } from 'express';
import { burstLog } from './burst-log.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { failureLimit, rateLimit } from './rate-limit.ts';
import { closeRedis, openRedis, pingRedis } from './redis.ts';

export interface LimitsOptions {
  redisUrl: string;
  /** Requests of one address in a window. */
  max: number;
  windowMs: number;
  /** Path prefixes that are labels of the series. */
  paths: readonly string[];
  logger: Logger;
  lifecycle: Lifecycle;
}

export interface Limits {
  /** Every request counts. */
  requests: RequestHandler;
  /** Requests with a wrong key count: guessing ends soon. */
  guesses: RequestHandler;
  /** Whether Redis answers; never rejects. */
  ping(): Promise<boolean>;
}

const MAX_GUESSES = 20;

/** Opens the limits of the public port on one Redis connection, and registers how that is closed. */
export function openLimits({ redisUrl, lifecycle, ...options }: LimitsOptions): Limits {
  const log = burstLog({ logger: options.logger, subject: 'rate limit' });
  const redis = openRedis({ url: redisUrl, whenDown: 'reject', log });
  lifecycle.onClose('rate limit', () => closeRedis(redis, 1_000));
  return {
    requests: rateLimit({ ...options, redis, prefix: 'limit:requests:' }),
    guesses: failureLimit({
      ...options,
      max: Math.min(MAX_GUESSES, options.max),
      redis,
      prefix: 'limit:guesses:',
      counts: (_request, response) => response.statusCode === 401,
    }),
    ping: () => pingRedis(redis, 500),
  };
}

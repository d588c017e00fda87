import type { RequestHandler } from 'express';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { failureLimit, rateLimit } from './rate-limit.ts';
import { openLimitRedis } from './rate-limit-redis.ts';

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
  const redis = openLimitRedis({ url: redisUrl, logger: options.logger });
  lifecycle.onClose('rate limit', () => redis.close());
  return {
    requests: rateLimit({ ...options, redis, prefix: 'limit:requests:' }),
    guesses: failureLimit({
      ...options,
      max: Math.min(MAX_GUESSES, options.max),
      redis,
      prefix: 'limit:guesses:',
      counts: (_request, response) => response.locals['isGuess'] === true,
    }),
    ping: () => redis.ping(),
  };
}

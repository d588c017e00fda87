import type { RequestHandler } from 'express';
import { isGuess } from './authenticate.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { rateLimit } from './rate-limit.ts';
import { openLimitRedis } from './rate-limit-redis.ts';
import type { RedisUrl } from './redis.ts';

export interface LimitsOptions {
  redisUrl: RedisUrl;
  /** Requests of one address in a window. */
  max: number;
  windowMs: number;
  /** Route patterns, which are labels of the series. */
  paths: readonly string[];
  logger: Logger;
  lifecycle: Lifecycle;
}

/** Each request counts for one of them; both stand behind `identify`. */
export interface Limits {
  /** Requests with a key, and apart from them those without: whoever has none can't use up what others have. */
  requests: RequestHandler;
  /** Requests with a wrong key: guessing ends soon, and takes nothing from whoever has the right one. */
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
    requests: rateLimit({
      ...options,
      redis,
      prefix: 'limit:requests:',
      counts: (_request, response) => !isGuess(response),
    }),
    guesses: rateLimit({
      ...options,
      max: Math.min(MAX_GUESSES, options.max),
      redis,
      prefix: 'limit:guesses:',
      counts: (_request, response) => isGuess(response),
    }),
    ping: () => redis.ping(),
  };
}

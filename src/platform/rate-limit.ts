import { metrics } from '@opentelemetry/api';
import type { Request, RequestHandler, Response } from 'express';
import {
  type AugmentedRequest,
  rateLimit as expressRateLimit,
  ipKeyGenerator,
  type Options,
  type Store,
} from 'express-rate-limit';
import { DomainError, errorType } from './errors.ts';
import type { Logger } from './logger.ts';
import { pathLabel } from './path-label.ts';
import type { LimitRedis } from './rate-limit-redis.ts';
import { rateLimitStore } from './rate-limit-store.ts';

export interface RateLimitOptions {
  /** Requests of one address (of one /56 network in IPv6) in a window. */
  max: number;
  windowMs: number;
  redis: LimitRedis;
  /** Before each key in Redis; one for each limit. */
  prefix: string;
  /** Path prefixes that are labels of `rate_limited_requests_total`; others count as `unmatched`. */
  paths: readonly string[];
  logger: Logger;
}

/**
 * Limits the requests of an address, across all processes on one Redis: past the limit they end in a
 * `RATE_LIMITED` error. Fails open: without Redis they pass, counted and logged once a burst.
 * The address is `request.ip`: behind proxies, `trust proxy` must name exactly those.
 */
export function rateLimit(options: RateLimitOptions): RequestHandler {
  return expressRateLimit({ ...libraryOptions(options, rateLimitStore(options)), standardHeaders: 'draft-8' });
}

export interface FailureLimitOptions extends RateLimitOptions {
  /** Whether a request that was answered counts, for instance by its status. */
  counts(request: Request, response: Response): boolean;
}

/**
 * Limits one kind of outcome, such as wrong keys: `max` of them in a window, and then everything from
 * that address is refused. Nothing else counts, not even for a while (the library's own
 * `skipSuccessfulRequests` takes back afterwards, so that many good requests at once would be refused).
 */
export function failureLimit(options: FailureLimitOptions): RequestHandler {
  const store = rateLimitStore(options);
  const limit = expressRateLimit(
    libraryOptions(options, {
      ...store,
      // Only looks: what the count would be, were this one of those that count.
      async increment(key) {
        const { totalHits, resetTime } = await store.peek(key);
        return { totalHits: totalHits + 1, resetTime };
      },
    }),
  );
  return function limitFailures(request, response, next) {
    // Later the socket may be gone, and with it the address.
    const key = ipKeyGenerator(request.ip ?? 'unknown');
    response.once('finish', () => {
      // The store has logged it.
      if (options.counts(request, response)) Promise.resolve(store.increment(key)).catch(() => undefined);
    });
    return limit(request, response, next);
  };
}

function libraryOptions({ max, windowMs, paths, logger }: RateLimitOptions, store: Store): Partial<Options> {
  return {
    limit: max,
    windowMs,
    store,
    passOnStoreError: true,
    legacyHeaders: false,
    logger: validationLogger(logger),
    // Said of clients that send headers we do not look at.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
    retryAfter: secondsToWait,
    handler: refuse(paths),
  };
}

function refuse(paths: readonly string[]): Options['handler'] {
  const labelOf = pathLabel(paths);
  const refused = metrics
    .getMeter('ragbase.rate-limit')
    .createCounter('rate_limited_requests_total', { description: 'Requests refused by a rate limit' });
  // A series is not there before its first value.
  for (const path of [...paths, 'unmatched']) refused.add(0, { path });
  return (request, _response, next) => {
    refused.add(1, { path: labelOf(request.baseUrl + request.path) });
    const retryAfter = secondsToWait(request);
    next(new DomainError('RATE_LIMITED', `Too many requests. Try again in ${retryAfter} s.`, { retryAfter }));
  };
}

function secondsToWait(request: Request): number {
  const resetTime = (request as AugmentedRequest)['rateLimit']?.resetTime?.getTime() ?? 0;
  return Math.max(1, Math.ceil((resetTime - Date.now()) / 1000));
}

/** The library also tells of failures of the store, which has logged them itself; misuse is what remains. */
function validationLogger(logger: Logger): Options['logger'] {
  const report = (error: unknown) => {
    const type = errorType(error);
    if (/^(ERR|WRN)_ERL_/.test(type)) logger.warn('the rate limit is set up wrongly', { errorType: type });
  };
  return { error: report, warn: report };
}

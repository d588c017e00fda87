import { metrics } from '@opentelemetry/api';
import type { Request, RequestHandler, Response } from 'express';
import { type AugmentedRequest, rateLimit as expressRateLimit, ipKeyGenerator, type Options } from 'express-rate-limit';
import { hasKey } from './authenticate.ts';
import { clientAddress } from './client-address.ts';
import { DomainError, errorType } from './errors.ts';
import type { Logger } from './logger.ts';
import type { LimitRedis } from './rate-limit-redis.ts';
import { rateLimitStore } from './rate-limit-store.ts';
import { routePattern } from './route-pattern.ts';

export interface RateLimitOptions {
  /** Requests of one address (of one /56 network in IPv6) in a window. */
  max: number;
  windowMs: number;
  redis: LimitRedis;
  /** Before each key in Redis; one for each limit. */
  prefix: string;
  /** Whether a request counts here (all do); those that do not, pass. */
  counts?: (request: Request, response: Response) => boolean;
  /** Route patterns that are labels of `rate_limited_requests_total`; other paths count as `unmatched`. */
  paths: readonly string[];
  logger: Logger;
}

/**
 * Limits the requests of an address, across all processes on one Redis: past the limit they end in a
 * `RATE_LIMITED` error. Fails open: without Redis they pass, counted and logged once a burst.
 * The address is `request.ip`: behind proxies, `trust proxy` must name exactly those.
 */
export function rateLimit(options: RateLimitOptions): RequestHandler {
  const { max, windowMs, paths, counts = () => true, logger } = options;
  return expressRateLimit({
    limit: max,
    windowMs,
    store: rateLimitStore(options),
    keyGenerator: (request, response) => (hasKey(response) ? '' : 'no key ') + ipKeyGenerator(clientAddress(request)),
    skip: (request, response) => !counts(request, response),
    passOnStoreError: true,
    legacyHeaders: false,
    standardHeaders: 'draft-8',
    logger: validationLogger(logger),
    // Said of clients that send headers we do not look at.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
    retryAfter: secondsToWait,
    handler: refuse(paths),
  });
}

function refuse(paths: readonly string[]): Options['handler'] {
  const patternOf = routePattern(paths);
  const refused = metrics
    .getMeter('ragbase.rate-limit')
    .createCounter('rate_limited_requests_total', { description: 'Requests refused by a rate limit' });
  // A series is not there before its first value.
  for (const path of [...paths, 'unmatched']) refused.add(0, { path });
  return (request, _response, next) => {
    refused.add(1, { path: patternOf(request.baseUrl + request.path) ?? 'unmatched' });
    const retryAfter = secondsToWait(request);
    const message = `Too many requests. Try again in ${retryAfter} s.`;
    next(new DomainError('RATE_LIMITED', message, { retryAfter, refusal: 'rate' }));
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

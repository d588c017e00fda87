import { trace } from '@opentelemetry/api';
import type { RequestHandler, Response } from 'express';
import { DomainError } from './errors.ts';
import type { KeyRing } from './key-ring.ts';
import { bearerToken } from './secrets.ts';

/**
 * Tells who asks, by the key in `X-API-Key` or a bearer token, and refuses nobody: the limits come first, and are others
 * for those who guess. The key's fingerprint goes to `response.locals.keyFingerprint`, for the access log, and on the span.
 */
export function identify({ keys }: { keys: Pick<KeyRing, 'match'> }): RequestHandler {
  return function readKey(request, response, next) {
    // Shared caches know that `Authorization` makes an answer private; of `X-API-Key` they know nothing.
    response.set('Cache-Control', 'no-store');
    const given = request.get('x-api-key') ?? bearerToken(request.get('authorization'));
    const found = given === undefined ? undefined : keys.match(given);
    response.locals['isGuess'] = given !== undefined && found === undefined;
    response.locals['keyFingerprint'] = found;
    if (found !== undefined) trace.getActiveSpan()?.setAttribute('ragbase.api_key.fingerprint', found);
    next();
  };
}

/** Whether a request carries a key that is none. A missing one is no guess. */
export const isGuess = ({ locals }: Response): boolean => locals['isGuess'] === true;

/** Whether a request carries one of the keys. */
export const hasKey = ({ locals }: Response): boolean => locals['keyFingerprint'] !== undefined;

/** Lets pass whom `identify` knows. */
export const authenticate: RequestHandler = function refuseStrangers(_request, response, next) {
  if (hasKey(response)) return next();
  const what = isGuess(response) ? 'The API key is not known here. Send a valid one' : 'Send an API key';
  next(new DomainError('UNAUTHORIZED', `${what}, as X-API-Key or as a bearer token.`));
};

import { trace } from '@opentelemetry/api';
import type { RequestHandler } from 'express';
import { DomainError } from './errors.ts';
import type { KeyRing } from './key-ring.ts';
import { bearerToken } from './secrets.ts';

/**
 * Lets a request pass that carries one of the keys, in `X-API-Key` or as a bearer token.
 * The key's fingerprint goes to `response.locals.keyFingerprint`, for the access log, and on the span; a wrong key leaves
 * `response.locals.isGuess`. A missing one is no guess.
 */
export function authenticate({ keys }: { keys: KeyRing }): RequestHandler {
  return function checkKey(request, response, next) {
    // Shared caches know that `Authorization` makes an answer private; of `X-API-Key` they know nothing.
    response.set('Cache-Control', 'no-store');
    const given = request.get('x-api-key') ?? bearerToken(request.get('authorization'));
    const found = given === undefined ? undefined : keys.match(given);
    if (found === undefined) {
      response.locals['isGuess'] = given !== undefined;
      const what = given === undefined ? 'Send an API key' : 'The API key is not known here. Send a valid one';
      return next(new DomainError('UNAUTHORIZED', `${what}, as X-API-Key or as a bearer token.`));
    }
    response.locals['keyFingerprint'] = found;
    trace.getActiveSpan()?.setAttribute('ragbase.api_key.fingerprint', found);
    next();
  };
}

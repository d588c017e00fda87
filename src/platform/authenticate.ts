import type { RequestHandler } from 'express';
import { DomainError } from './errors.ts';
import { bearerToken, secretMatcher } from './secrets.ts';

/**
 * Lets a request pass that carries one of the keys, in `X-API-Key` or as a bearer token.
 * The key's fingerprint goes to `response.locals.keyFingerprint`, for the access log.
 */
export function authenticate(options: { keys: readonly string[] }): RequestHandler {
  const match = secretMatcher(options.keys);
  return function checkKey(request, response, next) {
    const given = request.get('x-api-key') ?? bearerToken(request.get('authorization'));
    const found = given === undefined ? undefined : match(given);
    if (found === undefined) {
      const what = given === undefined ? 'Send an API key' : 'The API key is not known here. Send a valid one';
      return next(new DomainError('UNAUTHORIZED', `${what}, as X-API-Key or as a bearer token.`));
    }
    response.locals['keyFingerprint'] = found;
    next();
  };
}

import type { RequestHandler } from 'express';
import { DomainError } from './errors.ts';
import { bearerToken, secretMatcher } from './secrets.ts';

/** Lets a request pass that carries the one token as `Authorization: Bearer`. */
export function requireToken(options: { token: string }): RequestHandler {
  const match = secretMatcher([options.token]);
  return function checkToken(request, _response, next) {
    const given = bearerToken(request.get('authorization'));
    if (given !== undefined && match(given) !== undefined) return next();
    next(new DomainError('UNAUTHORIZED', 'Send the internal token as a bearer token.'));
  };
}

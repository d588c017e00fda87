import type { RequestHandler } from 'express';
import { DomainError } from './errors.ts';
import type { KeyRing } from './key-ring.ts';
import { bearerToken } from './secrets.ts';

/** Lets a request pass that carries a token of the ring as `Authorization: Bearer`. */
export function requireToken(tokens: Pick<KeyRing, 'match'>): RequestHandler {
  return function checkToken(request, _response, next) {
    const given = bearerToken(request.get('authorization'));
    if (given !== undefined && tokens.match(given) !== undefined) return next();
    next(new DomainError('UNAUTHORIZED', 'Send the internal token as a bearer token.'));
  };
}

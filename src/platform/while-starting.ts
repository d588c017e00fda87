import type { RequestHandler } from 'express';
import { DomainError } from './errors.ts';

/** Turns requests away until what they need is there. */
export function whileStarting(hasStarted: () => boolean): RequestHandler {
  return function refuseWhileStarting(_request, _response, next) {
    if (hasStarted()) return next();
    next(new DomainError('UNAVAILABLE', 'The service is starting. Try again in a moment.', { retryAfter: 2 }));
  };
}

import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';

/** Gives each request an id, the client's own if it is safe to log and to send back. */
export function requestId(options: { limit: number }): RequestHandler {
  const safe = new RegExp(`^[A-Za-z0-9._-]{1,${options.limit}}$`);
  return function assignRequestId(request, response, next) {
    const given = request.headers['x-request-id'];
    const id = typeof given === 'string' && safe.test(given) ? given : randomUUID();
    response.locals['requestId'] = id;
    response.setHeader('X-Request-Id', id);
    next();
  };
}

import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, HTTP_STATUS } from './error-response.ts';
import { DomainError } from './errors.ts';
import { countRefusal } from './refusals.ts';

/**
 * Handles so many requests of a connection at a time. Node hands over all that one packet holds, a thousand and more, and
 * keeps their answers in memory: who sends further ones before the first are answered is told so, and the connection ends.
 */
export function limitPipelining(handler: RequestListener, { max }: { max: number }): RequestListener {
  const pending = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    const count = (pending.get(socket) ?? 0) + 1;
    pending.set(socket, count);
    response.once('close', () => pending.set(socket, (pending.get(socket) ?? 1) - 1));
    if (count <= max) return handler(request, response);
    // Those after it go unanswered, as the connection ends with it.
    if (count > max + 1) return;
    countRefusal('pipelined');
    const message = `This connection has ${max} requests waiting for their answers. Send others when those have come.`;
    const requestId = randomUUID();
    response
      .writeHead(HTTP_STATUS.RATE_LIMITED, {
        Connection: 'close',
        'Content-Type': 'application/json; charset=utf-8',
        'Retry-After': '1',
        'X-Content-Type-Options': 'nosniff',
        'X-Request-Id': requestId,
      })
      .end(JSON.stringify(errorBody(new DomainError('RATE_LIMITED', message, { retryAfter: 1 }), { requestId })));
  };
}

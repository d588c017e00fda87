import type { Request, RequestHandler, Response } from 'express';
import { sendError } from './error-response.ts';
import { DomainError } from './errors.ts';

export interface SlowBodyOptions {
  /** How long the body of a request may stand still, in ms. */
  idleMs: number;
  /** How long the rest of a body may take that was answered before its end, in ms. */
  lingerMs: number;
}

/**
 * Cuts off requests whose body comes to a standstill, with a 408, and those that go on sending long
 * after their answer. The server's `requestTimeout` limits the whole of a request; this ends what is dead sooner.
 */
export function refuseSlowBodies({ idleMs, lingerMs }: SlowBodyOptions): RequestHandler {
  return function watchBody(request, response, next) {
    if (hasBody(request)) watch(request, response, { idleMs, lingerMs });
    next();
  };
}

function hasBody(request: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}

function watch(request: Request, response: Response, { idleMs, lingerMs }: SlowBodyOptions): void {
  const { socket } = request;
  let lastBytes = socket.bytesRead;
  let movedAt = performance.now();
  const check = () => {
    if (request.complete || socket.destroyed) return clearInterval(timer);
    const now = performance.now();
    // What we have and did not take yet is our delay, not the client's.
    if (socket.bytesRead !== lastBytes || request.readableLength > 0) {
      lastBytes = socket.bytesRead;
      movedAt = now;
    }
    if (now - movedAt < idleMs) return;
    clearInterval(timer);
    cutOff(request, response);
  };
  const timer = setInterval(check, Math.min(1_000, idleMs / 4)).unref();
  response.once('finish', () => {
    if (!request.complete) setTimeout(() => request.complete || socket.destroy(), lingerMs).unref();
  });
  response.once('close', () => clearInterval(timer));
}

/** Whoever reads the body learns of the end by the connection's. */
function cutOff(request: Request, response: Response): void {
  if (response.headersSent) return void request.socket.destroy();
  response.locals['errorType'] = 'REQUEST_TIMEOUT';
  response.once('finish', () => request.socket.destroySoon());
  response.set('Connection', 'close');
  sendError(response, new DomainError('REQUEST_TIMEOUT', 'The body stopped arriving. Send the request again.'));
}

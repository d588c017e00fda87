import type { Request, RequestHandler, Response } from 'express';
import { sendError } from './error-response.ts';
import { DomainError } from './errors.ts';

export interface SlowBodyOptions {
  /** How long the body of a request may stand still, in ms. */
  idleMs: number;
  /** The least that must come of a body in each of such windows: else a byte now and then would hold a place for ever. */
  least: { bytes: number; windowMs: number };
  /** How long the rest of a body may take that was answered before its end, in ms. */
  lingerMs: number;
}

/**
 * Cuts off requests whose body comes to a standstill or nearly so, with a 408, and those that go on sending long
 * after their answer. A body may take as long as it moves: nothing else limits the whole of a request.
 */
export function refuseSlowBodies(options: SlowBodyOptions): RequestHandler {
  return function watchBody(request, response, next) {
    if (hasBody(request)) watch(request, response, options);
    next();
  };
}

function hasBody(request: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}

function watch(request: Request, response: Response, { idleMs, least, lingerMs }: SlowBodyOptions): void {
  const { socket } = request;
  let movedAt = performance.now();
  let lastBytes = socket.bytesRead;
  let window = { from: movedAt, bytes: lastBytes };
  const check = () => {
    if (request.complete || socket.destroyed) return clearInterval(timer);
    const now = performance.now();
    const bytes = socket.bytesRead;
    const isOurDelay = request.readableLength > 0;
    if (bytes !== lastBytes || isOurDelay) {
      lastBytes = bytes;
      movedAt = now;
    }
    const isOver = now - window.from >= least.windowMs;
    const isTooSlow = isOver && bytes - window.bytes < least.bytes;
    // What we have and did not take yet is our delay, not the client's.
    if (isOver || isOurDelay) window = { from: now, bytes };
    if (now - movedAt < idleMs && (!isTooSlow || isOurDelay)) return;
    clearInterval(timer);
    cutOff(request, response);
  };
  const timer = setInterval(check, Math.min(1_000, idleMs / 4, least.windowMs / 4)).unref();
  response.once('finish', () => {
    if (!request.complete) setTimeout(() => request.complete || socket.destroy(), lingerMs).unref();
  });
  response.once('close', () => clearInterval(timer));
}

/** Whoever reads the body learns of its end by the connection's. */
function cutOff({ socket }: Request, response: Response): void {
  if (response.headersSent) return void socket.destroy();
  response.locals['errorType'] = 'REQUEST_TIMEOUT';
  response.once('finish', () => socket.destroySoon());
  response.set('Connection', 'close');
  const message = 'The body stopped arriving, or nearly so. Send the request again.';
  sendError(response, new DomainError('REQUEST_TIMEOUT', message, { refusal: 'body_too_slow' }));
}

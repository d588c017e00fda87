import type { RequestHandler } from 'express';
import { DomainError } from './errors.ts';

/**
 * Refuses a request without a Host, or with several: a proxy may take another of them than we do.
 * Instead of Node's own check, whose answer has no body and which knows nothing of several.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export const requireHost: RequestHandler = function checkHost(request, response, next) {
  const hosts = request.rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length;
  if (hosts === 1 || (hosts === 0 && request.httpVersion === '1.0')) return next();
  response.set('Connection', 'close');
  next(new DomainError('INVALID_REQUEST', 'Send exactly one Host header.'));
};

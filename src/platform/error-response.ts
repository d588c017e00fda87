import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import { ClientLeftError } from './client-signal.ts';
import { DomainError, type ErrorCode, errorType, isDiskFull, isInvalidValue, isUnavailable } from './errors.ts';
import type { Logger } from './logger.ts';
import { countRefusal } from './refusals.ts';
import { activeTraceId } from './trace-id.ts';

/** The one table from error codes to HTTP statuses. */
export const HTTP_STATUS: Record<ErrorCode, number> = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  CONFLICT: 409,
  INCOMPATIBLE: 412,
  FILE_TOO_LARGE: 413,
  UNSUPPORTED_FORMAT: 415,
  EMPTY_DOCUMENT: 422,
  RATE_LIMITED: 429,
  QUEUE_FULL: 429,
  HEADERS_TOO_LARGE: 431,
  INTERNAL: 500,
  UNAVAILABLE: 503,
};

/** Answers every error in one shape; a 5xx says nothing of the inside, the log line says it all. */
export function errorResponse(options: { logger: Logger }): ErrorRequestHandler {
  return function answerError(thrown, _request, response, _next) {
    // Nobody to answer, and nothing that went wrong.
    if (thrown instanceof ClientLeftError) return void response.destroy();
    const error = toDomainError(thrown);
    if (error.code === 'INTERNAL') options.logger.error('request failed', { error: thrown });
    else if (isDiskFull(thrown)) options.logger.error('a disk is full', { error: thrown });
    response.locals['errorType'] = error.code === 'INTERNAL' ? errorType(thrown) : error.code;
    // Too late for an answer: the client must see that this one is not whole.
    if (response.headersSent) return void response.destroy();
    sendError(response, error);
  };
}

/** Answers with an error, wherever it comes from: `errorResponse` calls it for those that are thrown. */
export function sendError(response: Response, error: DomainError): void {
  if (error.refusal !== undefined) countRefusal(error.refusal);
  if (error.retryAfter !== undefined) response.set('Retry-After', String(error.retryAfter));
  if (error.code === 'UNAUTHORIZED') response.set('WWW-Authenticate', 'Bearer realm="ragbase"');
  const traceId = activeTraceId();
  response.status(HTTP_STATUS[error.code]).json(errorBody(error, { requestId: response.locals['requestId'], traceId }));
}

/** The one shape of an error. */
export function errorBody(
  error: DomainError,
  { requestId, traceId }: { requestId: string; traceId?: string | undefined },
) {
  return {
    error: error.code,
    message: error.message,
    requestId,
    ...(traceId !== undefined && { traceId }),
    ...(error.details && { details: error.details }),
    ...(error.code === 'RATE_LIMITED' && { retryAfter: error.retryAfter }),
  };
}

/** No route answers this path. */
export const notFound: RequestHandler = function answerNotFound(_request, _response, next) {
  next(new DomainError('NOT_FOUND', 'There is nothing at this address. The API is described at /docs.'));
};

/** A path that exists, with another method. */
export function methodNotAllowed(methods: readonly string[]): RequestHandler {
  const known = methods.map((method) => method.toUpperCase());
  const allow = [...known, ...(known.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  return function answerMethodNotAllowed(request, response, next) {
    response.set('Allow', allow);
    if (request.method === 'OPTIONS') return void response.status(204).end();
    next(new DomainError('METHOD_NOT_ALLOWED', `This address answers ${allow}, and nothing else.`));
  };
}

/** What body-parser, the router and Postgres throw, in our words. */
function toDomainError(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  const { type, status } = (thrown ?? {}) as { type?: string; status?: number };
  if (type === 'entity.parse.failed')
    return new DomainError('INVALID_REQUEST', 'The body is not valid JSON.', { cause: thrown });
  if (status === 415)
    return new DomainError('UNSUPPORTED_FORMAT', 'Send the body as UTF-8, uncompressed or as gzip, deflate or br.', {
      cause: thrown,
    });
  if (type === 'entity.too.large')
    return new DomainError('FILE_TOO_LARGE', 'The body is larger than this call allows.', { cause: thrown });
  if (status !== undefined && status >= 400 && status < 500)
    return new DomainError('INVALID_REQUEST', 'The request could not be read. Check its encoding and its path.', {
      cause: thrown,
    });
  if (isInvalidValue(thrown))
    return new DomainError('INVALID_REQUEST', 'The request holds a value that can not be stored or compared.', {
      cause: thrown,
    });
  if (isUnavailable(thrown))
    return new DomainError('UNAVAILABLE', 'A part of the service is away. Try again in a moment.', {
      retryAfter: 5,
      cause: thrown,
    });
  return new DomainError('INTERNAL', 'Something went wrong on our side. Quote the requestId when you report it.', {
    cause: thrown,
  });
}

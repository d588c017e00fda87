import {
  type Context,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Request, RequestHandler, Response } from 'express';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
} from './http-attributes.ts';
import { createHttpMetrics, type Outcome } from './http-metrics.ts';
import { type LogFields, type Logger, restoreLogFields, withLogFields } from './logger.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);
const OTHER = '_OTHER';

/**
 * The server span, both sets of HTTP metrics and the access log line of every request, written by
 * hand: the http and express instrumentations do the same at two to three times the cost.
 * Stands above everything that may answer, so that nothing goes unseen.
 * @param options.untraced tells the paths that get metrics but neither span nor access log line.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
 */
export function httpTelemetry(options: { logger: Logger; untraced: (path: string) => boolean }): RequestHandler {
  const tracer = trace.getTracer('ragbase.http');
  const series = createHttpMetrics();

  function startSpan(request: Request, method: string): { span: Span; active: Context } {
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const name = method === OTHER ? 'HTTP' : method;
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: knownAtStart(request, method) }, parent);
    return { span, active: trace.setSpan(parent, span) };
  }

  return function observeRequest(request, response, next) {
    const started = performance.now();
    const method = METHODS.has(request.method) ? request.method : OTHER;
    const { socket } = request;
    const writtenBefore = socket.bytesWritten;
    const outcome = () => outcomeOf(request, response, { method, durationMs: performance.now() - started });
    if (options.untraced(request.path)) {
      response.once('close', () => series.record(outcome()));
      return context.with(ROOT_CONTEXT, () => next());
    }
    const { span, active } = startSpan(request, method);
    const spanContext = span.spanContext();
    if (isSpanContextValid(spanContext)) response.setHeader('X-Trace-Id', spanContext.traceId);
    context.with(active, () =>
      withLogFields({ requestId: response.locals['requestId'] }, (fields) => {
        response.once('close', () => {
          const ended = outcome();
          series.record(ended);
          if (span.isRecording()) describe(span, ended);
          span.end();
          context.with(active, () =>
            logAccess(
              options.logger,
              { ...ended, bytes: bytesOf(response, socket.bytesWritten - writtenBefore) },
              response,
              fields,
            ),
          );
        });
        next();
      }),
    );
  };
}

/** What a sampler may look at; the raw path is not ours to publish. */
function knownAtStart(request: Request, method: string): Record<string, string> {
  const attributes: Record<string, string> = {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    [ATTR_URL_SCHEME]: request.protocol,
    [ATTR_NETWORK_PROTOCOL_VERSION]: request.httpVersion,
  };
  if (method === OTHER) attributes[ATTR_HTTP_REQUEST_METHOD_ORIGINAL] = request.method;
  return attributes;
}

function outcomeOf(request: Request, response: Response, seen: { method: string; durationMs: number }): Outcome {
  // 499, as nginx has it: the client left before there was an answer.
  const status = response.headersSent ? response.statusCode : 499;
  const isFailed = status >= 500 || !response.writableFinished;
  const path: unknown = request.route?.path;
  return {
    method: seen.method,
    durationMs: seen.durationMs,
    route: typeof path === 'string' ? path : undefined,
    status,
    errorType: isFailed ? (response.locals['errorType'] ?? (status >= 500 ? String(status) : undefined)) : undefined,
    scheme: request.protocol,
    protocolVersion: request.httpVersion,
  };
}

function describe(span: Span, { method, route, status, errorType }: Outcome): void {
  span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
  // Scrubbed, as the conventions ask where a path may hold what is not ours to publish.
  span.setAttribute(ATTR_URL_PATH, route ?? 'unmatched');
  if (route !== undefined) {
    span.updateName(`${method === OTHER ? 'HTTP' : method} ${route}`);
    span.setAttribute(ATTR_HTTP_ROUTE, route);
  }
  if (errorType !== undefined) {
    span.setAttribute(ATTR_ERROR_TYPE, errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
}

/** Of the body where its length is known, else all that went to the socket. */
function bytesOf(response: Response, written: number): number {
  const length = response.getHeader('content-length');
  return length === undefined ? written : Number(length);
}

function logAccess(logger: Logger, outcome: Outcome & { bytes: number }, response: Response, fields: LogFields): void {
  restoreLogFields(fields, () =>
    logger.info('request', {
      requestId: response.locals['requestId'],
      method: outcome.method,
      route: outcome.route ?? 'unmatched',
      status: outcome.status,
      durationMs: Math.round(outcome.durationMs * 10) / 10,
      bytes: outcome.bytes,
      key: response.locals['keyFingerprint'],
    }),
  );
}

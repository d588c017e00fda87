import {
  context,
  metrics,
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
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from './http-attributes.ts';
import { type Logger, withLogFields } from './logger.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/**
 * The server span, both sets of HTTP metrics and the access log line of every request, written by
 * hand: the http and express instrumentations do the same at two to three times the cost.
 * Stands above everything that may answer, so that nothing goes unseen.
 * @param options.untraced tells the paths that get metrics but neither span nor access log line.
 */
export function httpTelemetry(options: { logger: Logger; untraced: (path: string) => boolean }): RequestHandler {
  const tracer = trace.getTracer('ragbase.http');
  const instruments = createInstruments();
  return function observeRequest(request, response, next) {
    const started = performance.now();
    const method = METHODS.has(request.method) ? request.method : '_OTHER';
    const quiet = options.untraced(request.path);
    const parent = quiet ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, request.headers);
    const span = quiet ? undefined : tracer.startSpan(method, { kind: SpanKind.SERVER }, parent);
    const active = span ? trace.setSpan(parent, span) : parent;
    if (span) response.set('X-Trace-Id', span.spanContext().traceId);

    response.once('close', () => {
      const outcome = outcomeOf(request, response, method, performance.now() - started);
      instruments.record(outcome);
      if (span) endSpan(span, outcome);
      if (!quiet) context.with(active, () => logAccess(options.logger, outcome, response));
    });
    context.with(active, () => withLogFields({ requestId: response.locals['requestId'] }, next));
  };
}

interface Outcome {
  method: string;
  /** The route pattern: a raw path never leaves the process. */
  route: string | undefined;
  status: number;
  durationMs: number;
  errorType: string | undefined;
  scheme: string;
  protocolVersion: string;
}

function outcomeOf(request: Request, response: Response, method: string, durationMs: number): Outcome {
  // 499, as nginx has it: the client left before there was an answer.
  const status = response.headersSent ? response.statusCode : 499;
  return {
    method,
    route: typeof request.route?.path === 'string' ? request.route.path : undefined,
    status,
    durationMs,
    errorType: status >= 500 ? (response.locals['errorType'] ?? String(status)) : undefined,
    scheme: request.protocol,
    protocolVersion: request.httpVersion,
  };
}

function endSpan(span: Span, { method, route, status, errorType, scheme, protocolVersion }: Outcome): void {
  if (route) span.updateName(`${method} ${route}`);
  span.setAttributes({
    [ATTR_HTTP_REQUEST_METHOD]: method,
    [ATTR_HTTP_RESPONSE_STATUS_CODE]: status,
    [ATTR_URL_SCHEME]: scheme,
    // Scrubbed, as the conventions ask where a path may hold what is not ours to publish.
    [ATTR_URL_PATH]: route ?? 'unmatched',
    [ATTR_NETWORK_PROTOCOL_VERSION]: protocolVersion,
    ...(route && { [ATTR_HTTP_ROUTE]: route }),
    ...(errorType && { [ATTR_ERROR_TYPE]: errorType }),
  });
  if (errorType) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

function createInstruments(): { record(outcome: Outcome): void } {
  const meter = metrics.getMeter('ragbase.http');
  const requests = meter.createCounter('http_requests_total', { description: 'HTTP requests answered' });
  const duration = meter.createHistogram('http_request_duration_seconds', {
    description: 'Time from the first byte of a request to the last of its answer',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.05, 0.1, 0.5, 1, 2, 5] },
  });
  const standard = meter.createHistogram(METRIC_HTTP_SERVER_REQUEST_DURATION.replaceAll('.', '_').concat('_seconds'), {
    description: 'Duration of HTTP server requests, by the OpenTelemetry conventions',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  });
  return {
    record({ method, route, status, durationMs, errorType, scheme, protocolVersion }) {
      const labels = { method, path: route ?? 'unmatched', status: String(status) };
      requests.add(1, labels);
      duration.record(durationMs / 1000, labels);
      standard.record(durationMs / 1000, {
        [ATTR_HTTP_REQUEST_METHOD]: method,
        [ATTR_HTTP_RESPONSE_STATUS_CODE]: status,
        [ATTR_URL_SCHEME]: scheme,
        [ATTR_NETWORK_PROTOCOL_VERSION]: protocolVersion,
        ...(route && { [ATTR_HTTP_ROUTE]: route }),
        ...(errorType && { [ATTR_ERROR_TYPE]: errorType }),
      });
    },
  };
}

function logAccess(logger: Logger, outcome: Outcome, response: Response): void {
  logger.info('request', {
    requestId: response.locals['requestId'],
    method: outcome.method,
    route: outcome.route ?? 'unmatched',
    status: outcome.status,
    durationMs: Math.round(outcome.durationMs * 10) / 10,
    bytes: Number(response.get('content-length') ?? 0),
    key: response.locals['keyFingerprint'],
  });
}

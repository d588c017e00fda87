import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Request, RequestHandler, Response } from 'express';
import { afterTurn } from './after-turn.ts';
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
import { type LogFields, type Logger, traceFields, type WholeLine, withLogFields } from './logger.ts';
import { ofStranger, traceOf } from './trace-context.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);
const OTHER = '_OTHER';

/**
 * The server span, both sets of HTTP metrics and the access log line of every request, written by
 * hand: the http and express instrumentations do the same at two to three times the cost.
 * Stands above everything that may answer, so that nothing goes unseen.
 * @param options.untraced tells the paths that get metrics but neither span nor access log line.
 * @param options.trustsCaller whether the sampled flag of a caller's `traceparent` decides; else the trace keeps its id, and our
 *   sampler decides.
 * @param options.expected what will be asked for.
 * @param options.patternOf the route pattern of a path, for what is refused before it is routed.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
 */
export function httpTelemetry(options: {
  logger: Logger;
  untraced: (path: string) => boolean;
  patternOf?: (path: string) => string | undefined;
  trustsCaller?: boolean;
  expected?: readonly { method: string; path: string }[];
}): RequestHandler {
  const tracer = trace.getTracer('ragbase.http');
  const series = createHttpMetrics(options.expected);
  const parentOf = createParentReader();
  const routeOf = createRouteReader(options.patternOf);
  const ended = afterTurn<Ended>((all) => {
    for (const { outcome } of all) series.record(outcome);
    for (const { outcome, fields, key } of all) if (fields) options.logger.log(accessLine(outcome, fields, key));
  });
  return function observeRequest(request, response, next) {
    const arrived = arrivalOf(request);
    if (options.untraced(request.path)) {
      response.once('close', () => ended.add({ outcome: outcomeOf(arrived, request, response, routeOf) }));
      return context.with(ROOT_CONTEXT, next);
    }
    const parent = parentOf(request);
    const name = nameOf(arrived.method);
    const attributes = knownAtStart(arrived, request);
    const origin = options.trustsCaller ? parent : ofStranger(parent);
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, origin);
    const ids = traceFields(span.spanContext());
    if (ids.trace_id !== undefined) response.setHeader('X-Trace-Id', ids.trace_id);
    const observe = (fields: LogFields) => {
      // Not `once`, which wraps the listener for each request: a response closes once.
      response.on('close', () => {
        const outcome = outcomeOf(arrived, request, response, routeOf);
        if (span.isRecording()) describe(span, outcome, request);
        span.end();
        ended.add({ outcome, fields: { ...ids, ...fields }, key: response.locals['keyFingerprint'] });
      });
      next();
    };
    context.with(
      trace.setSpan(parent, span),
      withLogFields,
      undefined,
      { requestId: response.locals['requestId'] },
      observe,
    );
  };
}

/** A request that was answered. */
interface Ended {
  outcome: Outcome;
  /** Of its context, for its line in the log; undefined where it has none. */
  fields?: LogFields;
  /** Of the API key. */
  key?: unknown;
}

/** The caller's context; most requests have none, and looking for it in their headers is not free. */
function createParentReader(): (request: Request) => Context {
  const fields = propagation.fields();
  return ({ headers }) => (fields.some((field) => headers[field] !== undefined) ? traceOf(headers) : ROOT_CONTEXT);
}

type RouteReader = (request: Request) => string | undefined;

/** The pattern of the route that answered; where none came to it, of the one that would have. */
function createRouteReader(patternOf: (path: string) => string | undefined = () => undefined): RouteReader {
  return (request) => {
    const path: unknown = request.route?.path;
    return typeof path === 'string' ? path : patternOf(request.originalUrl.split('?', 1)[0] ?? '');
  };
}

/** What of a request is known before it is handled, and is asked for once. */
interface Arrival {
  started: number;
  /** A known method, or `_OTHER`. */
  method: string;
  scheme: string;
}

const arrivalOf = (request: Request): Arrival => ({
  started: performance.now(),
  method: METHODS.has(request.method) ? request.method : OTHER,
  scheme: request.protocol,
});

const nameOf = (method: string): string => (method === OTHER ? 'HTTP' : method);

/** What a sampler may look at; the raw path is not ours to publish. */
function knownAtStart({ method, scheme }: Arrival, request: Request): Record<string, string> {
  const attributes: Record<string, string> = {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    [ATTR_URL_SCHEME]: scheme,
  };
  if (method === OTHER) attributes[ATTR_HTTP_REQUEST_METHOD_ORIGINAL] = request.method;
  return attributes;
}

function outcomeOf(arrived: Arrival, request: Request, response: Response, routeOf: RouteReader): Outcome {
  const cause: unknown = response.locals['errorType'];
  const isWhole = response.headersSent && response.writableFinished;
  // 499, as nginx has it: the client left before there was an answer, or in its middle. Unless it was we who broke it off.
  const status = isWhole || (response.headersSent && cause !== undefined) ? response.statusCode : 499;
  const isFailed = status >= 500 || (!isWhole && cause !== undefined);
  const length = response.getHeader('content-length');
  return {
    method: arrived.method,
    durationMs: performance.now() - arrived.started,
    route: routeOf(request),
    status,
    errorType: isFailed ? String(cause ?? status) : undefined,
    scheme: arrived.scheme,
    // What was announced is not what was sent to who left.
    bytes: length === undefined || !isWhole ? bytesStreamed(response) : Number(length),
  };
}

/**
 * To be called before a body is begun that is of unknown length or takes its time, so that the access log can tell its bytes.
 * Not done for every request: the socket's counter costs more than the rest of what is noted of an arrival.
 */
export function countStreamedBytes(response: Response): void {
  response.locals['bytesBefore'] = response.req.socket.bytesWritten;
}

function bytesStreamed({ locals, req }: Response): number {
  const before: unknown = locals['bytesBefore'];
  return typeof before === 'number' ? req.socket.bytesWritten - before : 0;
}

function describe(span: Span, { method, route, status, errorType }: Outcome, request: Request): void {
  span.setAttribute(ATTR_NETWORK_PROTOCOL_VERSION, request.httpVersion);
  span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
  // Scrubbed, as the conventions ask where a path may hold what is not ours to publish.
  span.setAttribute(ATTR_URL_PATH, route ?? 'unmatched');
  if (route !== undefined) {
    span.updateName(`${nameOf(method)} ${route}`);
    span.setAttribute(ATTR_HTTP_ROUTE, route);
  }
  if (errorType !== undefined) {
    span.setAttribute(ATTR_ERROR_TYPE, errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
}

function accessLine(outcome: Outcome, fields: LogFields, key: unknown): WholeLine {
  return {
    timestamp: new Date().toISOString(),
    level: 'info',
    message: 'request',
    ...fields,
    method: outcome.method,
    route: outcome.route ?? 'unmatched',
    status: outcome.status,
    durationMs: Math.round(outcome.durationMs * 10) / 10,
    bytes: outcome.bytes,
    key,
  };
}

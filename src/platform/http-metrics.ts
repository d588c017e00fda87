import { type Attributes, metrics } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from './http-attributes.ts';

/** How a request went, by values of which there are few: no raw path, no header. */
export interface Outcome {
  /** A known method, or `_OTHER`. */
  method: string;
  /** The route pattern; undefined where none answered. */
  route: string | undefined;
  status: number;
  durationMs: number;
  /** A code; undefined where nothing went wrong. */
  errorType: string | undefined;
  scheme: string;
  /** Of the body where its length is known; of a stream, all that went to the socket since it was begun. */
  bytes: number;
}

/** Failures of ours that a rate is asked of. */
const FAILURES = [500, 503];

/**
 * Both sets of HTTP series: our own, and those of the stable conventions.
 * @param expected what will be asked for: its failures are counted from 0, as a series that appears with five has no rate.
 */
export function createHttpMetrics(expected: readonly { method: string; path: string }[] = []): {
  record(outcome: Outcome): void;
} {
  const meter = metrics.getMeter('ragbase.http');
  const requests = meter.createCounter('http_requests_total', { description: 'HTTP requests answered' });
  const duration = meter.createHistogram('http_request_duration_seconds', {
    description: 'Time from the first byte of a request to the last of its answer',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.05, 0.1, 0.5, 1, 2, 5] },
  });
  const standard = meter.createHistogram(METRIC_HTTP_SERVER_REQUEST_DURATION, {
    description: 'Duration of HTTP server requests, by the OpenTelemetry conventions',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  });
  for (const { method, path } of expected)
    for (const status of FAILURES) requests.add(0, { method: method.toUpperCase(), path, status: String(status) });
  return {
    record(outcome) {
      const seconds = outcome.durationMs / 1000;
      const labels = { method: outcome.method, path: outcome.route ?? 'unmatched', status: String(outcome.status) };
      requests.add(1, labels);
      duration.record(seconds, labels);
      standard.record(seconds, standardAttributes(outcome));
    },
  };
}

/** Without `network.protocol.version`, which is recommended: it is always 1.1 here, and each attribute costs each request. */
function standardAttributes({ method, route, status, errorType, scheme }: Outcome): Attributes {
  const attributes: Attributes = {};
  // In the order of their names, into which the SDK sorts them each time.
  if (errorType !== undefined) attributes[ATTR_ERROR_TYPE] = errorType;
  attributes[ATTR_HTTP_REQUEST_METHOD] = method;
  attributes[ATTR_HTTP_RESPONSE_STATUS_CODE] = status;
  if (route !== undefined) attributes[ATTR_HTTP_ROUTE] = route;
  attributes[ATTR_URL_SCHEME] = scheme;
  return attributes;
}

import { getNodeAutoInstrumentations } from '@opentelemetry/auto-instrumentations-node';

/**
 * What is instrumented by a package. The server's own span and metrics are written by hand
 * (`src/platform/http-telemetry.ts`), at less than half the cost of the http and express
 * instrumentations; bee-queue has no instrumentation and gets its spans in `src/platform/queue.ts`.
 * `OTEL_NODE_ENABLED_INSTRUMENTATIONS` and `OTEL_NODE_DISABLED_INSTRUMENTATIONS` override the list.
 */
const ENABLED = 'pg,redis,undici,runtime-node,host-metrics';

/** The instrumentations of both processes, each with the settings that keep documents out of it. */
export function instrumentations(): ReturnType<typeof getNodeAutoInstrumentations> {
  process.env['OTEL_NODE_ENABLED_INSTRUMENTATIONS'] ||= ENABLED;
  return getNodeAutoInstrumentations({
    '@opentelemetry/instrumentation-pg': { requireParentSpan: true, ignoreConnectSpans: true },
    '@opentelemetry/instrumentation-redis': {
      // Polling loops (BRPOPLPUSH) would each be a root trace.
      requireParentSpan: true,
      // The default writes the arguments, so whole jobs, into db.query.text.
      dbStatementSerializer: (command: string) => command,
    },
    '@opentelemetry/instrumentation-undici': {
      requireParentforSpans: true,
      // A query string of an outgoing call is not ours to publish.
      requestHook: (span, request) => span.setAttribute('url.full', request.origin + request.path.split('?')[0]),
    },
    // The other groups spawn `ip route` in a scrape.
    '@opentelemetry/instrumentation-host-metrics': { metricGroups: ['process.cpu', 'process.memory'] },
  });
}

import { getNodeAutoInstrumentations } from '@opentelemetry/auto-instrumentations-node';
import { hostLabel } from './scrub-span.ts';

/**
 * What is instrumented by a package. The server's own span and metrics are written by hand
 * (`src/platform/http-telemetry.ts`), at less than half the cost of the http and express
 * instrumentations; bee-queue has no instrumentation and gets its spans in `src/platform/queue.ts`;
 * the logger puts trace ids into its lines itself.
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
      startSpanHook: ({ origin, path }) => withoutSecrets(origin, path),
      requestHook: (span, { method, path }) => void span.updateName(`${method} ${pathTemplate(path)}`),
    },
    // The other groups spawn `ip route` in a scrape.
    '@opentelemetry/instrumentation-host-metrics': { metricGroups: ['process.cpu', 'process.memory'] },
  });
}

/** What stands in an outgoing call's span in the place of its raw address. A query string is not ours to publish. */
function withoutSecrets(origin: string, path: string): Record<string, string> {
  const url = new URL(pathTemplate(path), origin);
  const host = hostLabel(url.hostname);
  const port = url.port && `:${url.port}`;
  return {
    'url.full': `${url.protocol}//${host}${port}${url.pathname}`,
    'url.path': url.pathname,
    'url.query': '',
    'url.template': url.pathname,
    'server.address': host,
  };
}

/** A path with its ids left out: bounded, and fit to name a span. */
function pathTemplate(path: string): string {
  const [bare = ''] = path.split('?');
  return bare.replace(/\/(?:[0-9a-f]{8}-[0-9a-f-]{27}|\d+)(?=\/|$)/g, '/:id');
}

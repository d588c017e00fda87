import { AggregationType, createDenyListAttributesProcessor, type ViewOptions } from '@opentelemetry/sdk-metrics';

/**
 * Series of the conventions and instrumentations by the names that Prometheus users know them by: the
 * exporter for JavaScript does not append units, as the specification asks.
 * @see https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#metric-metadata-1
 */
const NAMES: Record<string, string> = {
  'http.client.request.duration': 'http_client_request_duration_seconds',
  'db.client.operation.duration': 'db_client_operation_duration_seconds',
  'nodejs.eventloop.utilization': 'nodejs_eventloop_utilization_ratio',
  'nodejs.eventloop.time': 'nodejs_eventloop_time_seconds_total',
  ...Object.fromEntries(
    ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((name) => [
      `nodejs.eventloop.delay.${name}`,
      `nodejs_eventloop_delay_${name}_seconds`,
    ]),
  ),
  'v8js.gc.duration': 'v8js_gc_duration_seconds',
  'v8js.memory.heap.used': 'v8js_memory_heap_used_bytes',
  'v8js.memory.heap.space.size': 'v8js_memory_heap_space_size_bytes',
  'v8js.memory.heap.space.available_size': 'v8js_memory_heap_space_available_size_bytes',
  'v8js.memory.heap.space.physical_size': 'v8js_memory_heap_space_physical_size_bytes',
  'process.cpu.time': 'process_cpu_time_seconds_total',
  'process.cpu.utilization': 'process_cpu_utilization_ratio',
  'process.memory.usage': 'process_memory_usage_bytes',
};

/** Each process has one database and one backend to call: which port they have says nothing, and may be an address. */
const withoutAddresses = createDenyListAttributesProcessor(['server.address', 'server.port']);

/** How series look on /metrics, where they come from packages. */
export function views(): ViewOptions[] {
  const renamed = Object.entries(NAMES).map(([instrumentName, name]) => ({
    instrumentName,
    name,
    attributesProcessors: [withoutAddresses],
  }));
  return [
    ...renamed,
    // Ours, so there is nothing to take away: a filter would copy the attributes of every request.
    { instrumentName: 'http.server.request.duration', name: 'http_server_request_duration_seconds' },
    // The pool tells of itself, by a better name (`src/platform/postgres-gauges.ts`).
    { instrumentName: 'db.client.connection.*', aggregation: { type: AggregationType.DROP } },
  ];
}

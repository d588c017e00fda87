import { type Attributes, context, metrics, propagation, trace } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';

export interface RecordedTelemetry {
  /** Spans that have ended, in that order. */
  spans(): ReadableSpan[];
  /** What an instrument shows now: a value for each set of labels. Undefined for histograms. */
  points(instrument: string): Promise<{ labels: Attributes; value: unknown }[]>;
  stop(): Promise<void>;
}

/** Starts a real SDK that keeps what it is told, in place of any that was there before. */
export function recordTelemetry(): RecordedTelemetry {
  disableAll();
  const exporter = new InMemorySpanExporter();
  const reader = new PrometheusExporter({ preventServerStart: true });
  const sdk = new NodeSDK({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    metricReaders: [reader],
    logRecordProcessors: [],
    resourceDetectors: [],
  });
  sdk.start();
  return {
    spans: () => exporter.getFinishedSpans(),
    async points(instrument) {
      const { resourceMetrics } = await reader.collect();
      return resourceMetrics.scopeMetrics
        .flatMap((scope) => scope.metrics)
        .filter((metric) => metric.descriptor.name === instrument)
        .flatMap((metric) => metric.dataPoints.map(({ attributes, value }) => ({ labels: attributes, value })));
    },
    async stop() {
      await sdk.shutdown();
      disableAll();
    },
  };
}

function disableAll(): void {
  for (const api of [trace, context, propagation, metrics]) api.disable();
}

import { TraceFlags } from '@opentelemetry/api';
import { ExportResultCode, getNumberFromEnv } from '@opentelemetry/core';
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace';
import type { LostSpans } from './lost-spans.ts';
import { scrubSpan } from './scrub-span.ts';

/** Limits of a pipeline, where they are not the specification's defaults. */
export interface PipelineLimits {
  maxQueueSize?: number;
  maxExportBatchSize?: number;
  scheduledDelayMillis?: number;
  exportTimeoutMillis?: number;
}

const SETTINGS: Record<keyof PipelineLimits, string> = {
  maxQueueSize: 'OTEL_BSP_MAX_QUEUE_SIZE',
  maxExportBatchSize: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
  scheduledDelayMillis: 'OTEL_BSP_SCHEDULE_DELAY',
  exportTimeoutMillis: 'OTEL_BSP_EXPORT_TIMEOUT',
};

/** The limits that the environment sets. */
export function limitsFromEnvironment(): PipelineLimits {
  const set = Object.entries(SETTINGS).map(([limit, setting]) => [limit, getNumberFromEnv(setting)]);
  return Object.fromEntries(set.filter(([, value]) => value !== undefined));
}

/**
 * Spans on their way to a collector: in batches, scrubbed, never more than `maxQueueSize` of them, and
 * every one that is lost is counted. Nothing here waits, or throws, or slows a request down.
 */
export function spanPipeline(
  exporter: SpanExporter,
  options: PipelineLimits & { lostSpans: LostSpans },
): SpanProcessor {
  const { lostSpans, maxQueueSize = 2048, ...limits } = options;
  // Ended, and neither exported nor lost yet. The batch processor drops in silence what is over its limit:
  // here it never gets that far.
  let pending = 0;
  const counted: SpanExporter = {
    export: (spans, done) =>
      exporter.export(spans.map(scrubSpan), (result) => {
        pending -= spans.length;
        if (result.code === ExportResultCode.SUCCESS) lostSpans.arrived();
        else lostSpans.lost(spans.length, 'export_failed', result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
  const batches = new BatchSpanProcessor({ exporter: counted, maxQueueSize, ...limits });
  return {
    onStart: () => undefined,
    onEnd(span) {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
      if (pending >= maxQueueSize) return lostSpans.lost(1, 'queue_full');
      pending += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}

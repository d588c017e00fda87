import { isSpanContextValid, trace } from '@opentelemetry/api';

/** Id of the trace that runs now; undefined where there is none, as with `OTEL_SDK_DISABLED=true`. */
export function activeTraceId(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  return span && isSpanContextValid(span) ? span.traceId : undefined;
}

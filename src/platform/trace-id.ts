import { context, isSpanContextValid, propagation, trace } from '@opentelemetry/api';

/** Id of the trace that runs now; undefined where there is none, as with `OTEL_SDK_DISABLED=true`. */
export function activeTraceId(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  return span && isSpanContextValid(span) ? span.traceId : undefined;
}

/** The trace that runs now, as W3C headers: to be kept, and gone on with later. Empty where there is none. */
export function activeTraceContext(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

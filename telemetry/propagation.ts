import { type Context, diag, type TextMapGetter, type TextMapPropagator, type TextMapSetter } from '@opentelemetry/api';
import { getStringListFromEnv, TRACE_PARENT_HEADER, W3CTraceContextPropagator } from '@opentelemetry/core';

/** Set on contexts whose trace stays in the service (`src/platform/trace-context.ts`). */
const PASSED_ON = Symbol.for('ragbase.trace.passed-on');

/**
 * What is read of a request and passed on: `traceparent`, and only where the receiver is ours. No `tracestate` and no
 * baggage: what clients put there would be kept with documents, and sent to whoever is called for them.
 * @returns null for no propagation, `OTEL_PROPAGATORS=none`.
 */
export function choosePropagator(): TextMapPropagator | null {
  const names = getStringListFromEnv('OTEL_PROPAGATORS') ?? [];
  for (const name of names)
    if (!['tracecontext', 'none'].includes(name))
      diag.error(`OTEL_PROPAGATORS: ${name} is not used here; known are tracecontext, none`);
  return names.includes('none') ? null : traceParentAlone();
}

function traceParentAlone(): TextMapPropagator {
  const w3c = new W3CTraceContextPropagator();
  return {
    fields: () => [TRACE_PARENT_HEADER],
    inject(context: Context, carrier: unknown, setter: TextMapSetter) {
      if (context.getValue(PASSED_ON) !== true) return;
      const set: TextMapSetter['set'] = (to, name, value) => {
        if (name === TRACE_PARENT_HEADER) setter.set(to, name, value);
      };
      w3c.inject(context, carrier, { set });
    },
    extract: (context: Context, carrier: unknown, getter: TextMapGetter) =>
      w3c.extract(context, carrier, {
        keys: (from) => getter.keys(from),
        get: (from, name) => (name === TRACE_PARENT_HEADER ? getter.get(from, name) : undefined),
      }),
  };
}

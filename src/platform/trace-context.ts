import { type Context, context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';

/** Marks a context whose trace may be passed on. Telemetry's propagator looks for it: nothing else leaves the process. */
const PASSED_ON = Symbol.for('ragbase.trace.passed-on');
/** Marks a context that a stranger sent. Telemetry's sampler looks for it: it decides as if there were no flag. */
const STRANGER = Symbol.for('ragbase.trace.stranger');

/** The headers by which a trace goes on elsewhere in the service: behind the queue, with a document, in the other process. */
export function traceHeaders(of: Context = context.active()): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(of.setValue(PASSED_ON, true), headers);
  return headers;
}

/** Runs `work`, whose calls go to the other process and take the trace along. Those to anyone else do not. */
export function passTraceOn<T>(work: () => T): T {
  return context.with(context.active().setValue(PASSED_ON, true), work);
}

/** The trace that headers of our own go on with. */
export const traceOf = (headers: object): Context => propagation.extract(ROOT_CONTEXT, headers);

/** A trace that a stranger began: it keeps its id, and our sampler decides about it. For the first span alone. */
export const ofStranger = (trace: Context): Context => trace.setValue(STRANGER, true);

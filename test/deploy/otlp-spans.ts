import { randomBytes } from 'node:crypto';

/** A span, as OTLP has it in JSON. */
export interface SentSpan {
  traceId: string;
  name: string;
  durationMs: number;
  attributes: Record<string, string>;
  /** As `error`, with this message. */
  error?: string;
}

export const newTraceId = (): string => randomBytes(16).toString('hex');

const keyValues = (values: Record<string, string>) =>
  Object.entries(values).map(([key, stringValue]) => ({ key, value: { stringValue } }));

/** A request of spans, each the root of its trace. */
export function otlpSpans(spans: readonly SentSpan[], resource: Record<string, string>): string {
  const end = Date.now();
  const shown = spans.map(({ traceId, name, durationMs, attributes, error }) => ({
    traceId,
    spanId: randomBytes(8).toString('hex'),
    name,
    kind: 2,
    startTimeUnixNano: `${end - durationMs}000000`,
    endTimeUnixNano: `${end}000000`,
    attributes: keyValues(attributes),
    ...(error !== undefined && {
      status: { code: 2, message: error },
      events: [
        {
          timeUnixNano: `${end}000000`,
          name: 'exception',
          attributes: keyValues({
            'exception.type': 'Error',
            'exception.message': error,
            'exception.stacktrace': error,
          }),
        },
      ],
    }),
  }));
  return JSON.stringify({
    resourceSpans: [
      { resource: { attributes: keyValues(resource) }, scopeSpans: [{ scope: { name: 'test' }, spans: shown }] },
    ],
  });
}

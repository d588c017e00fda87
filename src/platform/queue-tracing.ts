import { type Attributes, type Context, context, type Link, type Span, SpanKind, trace } from '@opentelemetry/api';
import { z } from 'zod';
import { errorType } from './errors.ts';
import { markFailed } from './mark-failed.ts';
import {
  ATTR_MESSAGING_DESTINATION_NAME,
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_NAME,
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_MESSAGING_SYSTEM,
  MESSAGING_SYSTEM,
} from './messaging-attributes.ts';
import { traceHeaders, traceOf } from './trace-context.ts';

/** What lies in Redis: the caller's data, and the trace to go on with as W3C headers. */
export interface Envelope {
  data: unknown;
  traceContext: Record<string, string>;
}

// Where it is none of ours, the reader of the data will refuse it; and a job is worth more than its trace.
const envelopeSchema = z
  .object({ data: z.unknown(), traceContext: z.record(z.string(), z.string()).catch({}) })
  .catch({ data: undefined, traceContext: {} });

/** Reads an envelope back. */
export function openEnvelope(value: unknown): Envelope {
  return envelopeSchema.parse(value);
}

/** Which message of which queue. */
export interface Message {
  queue: string;
  id: string;
}

/** Runs `send` in a PRODUCER span; what it is given goes into the envelope, so that the trace goes on behind the queue. */
export function traceSend<T>(
  message: Message,
  { parent = context.active(), links = [] }: { parent?: Context | undefined; links?: Link[] | undefined },
  send: (traceContext: Record<string, string>) => Promise<T>,
): Promise<T> {
  const kind = SpanKind.PRODUCER;
  const span = tracer().startSpan(
    `send ${message.queue}`,
    { kind, links, attributes: attributes(message, 'send') },
    parent,
  );
  const active = trace.setSpan(parent, span);
  return inSpan(span, active, () => send(traceHeaders(active)));
}

/** Runs `work` in a CONSUMER span that goes on with the sender's trace. */
export function traceProcess<T>(
  message: Message,
  { traceContext }: Pick<Envelope, 'traceContext'>,
  work: () => Promise<T>,
): Promise<T> {
  const parent = traceOf(traceContext);
  const kind = SpanKind.CONSUMER;
  const span = tracer().startSpan(
    `process ${message.queue}`,
    { kind, attributes: attributes(message, 'process') },
    parent,
  );
  return inSpan(span, trace.setSpan(parent, span), work);
}

const tracer = () => trace.getTracer('ragbase.queue');

function attributes({ queue, id }: Message, operation: 'send' | 'process'): Attributes {
  return {
    [ATTR_MESSAGING_SYSTEM]: MESSAGING_SYSTEM,
    [ATTR_MESSAGING_OPERATION_NAME]: operation,
    [ATTR_MESSAGING_OPERATION_TYPE]: operation,
    [ATTR_MESSAGING_DESTINATION_NAME]: queue,
    [ATTR_MESSAGING_MESSAGE_ID]: id,
  };
}

async function inSpan<T>(span: Span, active: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await context.with(active, work);
  } catch (error) {
    markFailed(span, errorType(error));
    throw error;
  } finally {
    span.end();
  }
}

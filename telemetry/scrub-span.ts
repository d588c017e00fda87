import { isIP } from 'node:net';
import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** Addresses of sockets: those of a name's server are of no use, those of a client nobody's business. */
const DROPPED = ['network.peer.address', 'network.peer.port', 'client.address', 'client.port'];
const HOST = 'server.address';

/**
 * The span without what instrumentations put there and is not ours to publish: messages and stacks of
 * errors, which quote what was sent, and IP addresses. The type of an error stays.
 */
export function scrubSpan(span: ReadableSpan): ReadableSpan {
  const attributes = scrubAttributes(span.attributes);
  const isClean = span.status.message === undefined && span.events.length === 0 && attributes === span.attributes;
  if (isClean) return span;
  return Object.create(span, {
    attributes: { value: attributes, enumerable: true },
    status: { value: { code: span.status.code }, enumerable: true },
    events: { value: span.events.map((event) => ({ ...event, attributes: typeOnly(event.attributes) })) },
  }) as ReadableSpan;
}

function scrubAttributes(attributes: Attributes): Attributes {
  const host = attributes[HOST];
  const isAddress = typeof host === 'string' && isIP(host) !== 0;
  if (!isAddress && !DROPPED.some((key) => key in attributes)) return attributes;
  const kept: Attributes = { ...attributes, ...(isAddress && { [HOST]: hostLabel(host) }) };
  for (const key of DROPPED) delete kept[key];
  return kept;
}

/** A host's name; of one that has only an address, nothing but whether it is this machine. */
export function hostLabel(host: string): string {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) === 0) return host;
  return bare === '::1' || bare.startsWith('127.') ? 'localhost' : 'REDACTED';
}

function typeOnly(attributes: Attributes = {}): Attributes {
  const type = attributes['exception.type'];
  return type === undefined ? {} : { 'exception.type': type };
}

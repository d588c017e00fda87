/** Requests byte by byte, as clients send them that are broken, hostile, or gone in the middle. */
import { pick, type Random } from '../chaos/random.ts';
import { chunked, encoded, formBody, jsonBody } from './wire-bodies.ts';

/** What a client does on one connection. */
export interface Exchange {
  /** Sent one after the other, with a moment between them. */
  pieces: Buffer[];
  /** How the client leaves: soon after its first answer, or whatever comes. */
  end: 'answered' | 'closed' | 'reset' | 'half-closed';
  /** How long after its last byte it leaves in any case, in ms. */
  leaveMs: number;
}

export interface Target {
  apiKey: string;
  /** Of a document that has its outcome. */
  documentId: string;
}

const CRLF = '\r\n';
const maybe = (random: Random, chance: number): boolean => random() < chance;
const upTo = (random: Random, max: number): number => Math.floor(random() * (max + 1));

/** What the requests of one exchange are about. */
interface Aim extends Target {
  /** Whether their heads and lengths are broken as well: then little else is looked at. */
  isBroken: boolean;
}

/** The next exchange of a run; the same for the same seed. */
export function exchangeOf(random: Random, given: Target): Exchange {
  const target = { ...given, isBroken: maybe(random, 0.3) };
  const count = maybe(random, 0.1) ? 1 + upTo(random, 20) : 1;
  const whole = Buffer.concat(Array.from({ length: count }, () => requestOf(random, target)));
  const bytes = target.isBroken && maybe(random, 0.2) ? mutated(random, whole) : whole;
  const isCut = maybe(random, 0.25);
  const sent = isCut ? bytes.subarray(0, upTo(random, bytes.length)) : bytes;
  const end = pick(random, isCut ? (['closed', 'reset', 'half-closed', 'answered'] as const) : ENDS);
  const isSudden = end === 'closed' || end === 'reset';
  // What is not answered by then has not sent its request to the end, and some wait until they are told so.
  const patience = maybe(random, isCut ? 0.3 : 0.02) ? 2_000 : 300;
  return { pieces: split(random, sent), end, leaveMs: isSudden ? pick(random, [0, 0, 1, 5, 30]) : patience };
}

const ENDS = [...Array<'answered'>(7).fill('answered'), 'closed', 'reset', 'half-closed'] as const;

function requestOf(random: Random, target: Aim): Buffer {
  return pick(random, target.isBroken ? [...KINDS, garbage] : KINDS)(random, target);
}

const KINDS = [upload, upload, upload, upload, call, call, read, read, read];

function upload(random: Random, target: Aim): Buffer {
  const body = maybe(random, 0.75) ? formBody(random) : jsonBody(random);
  return withBody(random, `${pick(random, [...Array<string>(9).fill('POST'), 'PUT'])} /api/v1/documents`, body, target);
}

const CALLS = [
  '/api/v1/search',
  '/api/v1/search',
  '/api/v1/dead-letters/requeue',
  '/health',
  '/nothing',
  '/api/v1/stats',
];

function call(random: Random, target: Aim): Buffer {
  return withBody(random, `POST ${pick(random, CALLS)}`, jsonBody(random), target);
}

function withBody(
  random: Random,
  start: string,
  { contentType, bytes }: { contentType: string; bytes: Buffer },
  target: Aim,
): Buffer {
  const { bytes: sent, header } = encoded(random, bytes);
  const isChunked = maybe(random, 0.3);
  const wire = isChunked ? chunked(random, sent, target.isBroken) : sent;
  const announced =
    !target.isBroken || maybe(random, 0.8) ? wire.length : pick(random, [0, wire.length + 500, 1e12, -1, 'x', '']);
  const length =
    isChunked && (!target.isBroken || maybe(random, 0.9))
      ? 'Transfer-Encoding: chunked'
      : `Content-Length: ${announced}`;
  const type = contentType === '' ? '' : `Content-Type: ${contentType}${CRLF}`;
  const expect = maybe(random, 0.1) ? `Expect: ${pick(random, ['100-continue', '100-continue', 'magic'])}${CRLF}` : '';
  return Buffer.concat([head(random, start, `${type}${header}${expect}${length}${CRLF}`, target), wire]);
}

const METHODS = [
  ...Array<string>(9).fill('GET'),
  'HEAD',
  'HEAD',
  'OPTIONS',
  'DELETE',
  'BREW',
  'CONNECT',
  'TRACE',
  'get',
];

function read(random: Random, target: Aim): Buffer {
  const document = `/api/v1/documents/${target.documentId}`;
  const path = pick(random, [
    ...[`${document}/content`, `${document}/content`, `${document}/events`, `${document}/events`, `${document}/chunks`],
    ...[
      '/api/v1/documents',
      '/api/v1/documents?limit=-1&cursor=%00',
      '/health',
      '/ready',
      '/metrics',
      '/docs',
      '/openapi.json',
    ],
    ...[
      '*',
      '/%',
      '/%c0%ae/',
      'http://x/health',
      '//x',
      '/../..',
      `/${'a'.repeat(20_000)}`,
      '/api/v1/documents/%00/content',
    ],
  ]);
  const method = pick(random, METHODS);
  // The document is read by all.
  if (method === 'DELETE' && path.startsWith(document)) return read(random, target);
  const upgrade = maybe(random, 0.1)
    ? `Connection: Upgrade${CRLF}Upgrade: ${pick(random, ['websocket', 'h2c', ''])}${CRLF}`
    : '';
  return head(random, `${method} ${path}`, upgrade, target);
}

function head(random: Random, start: string, headers: string, target: Aim): Buffer {
  const version =
    !target.isBroken || maybe(random, 0.9)
      ? 'HTTP/1.1'
      : pick(random, ['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.1 ', 'HTP/1.1', '']);
  const host = maybe(random, 0.97)
    ? `Host: x${CRLF}`
    : pick(random, ['', `Host: x${CRLF}Host: y${CRLF}`, `Host:${CRLF}`]);
  // Wrong ones would soon be refused, and then so would all that follow from this address.
  const key = maybe(random, 0.98) ? `X-API-Key: ${target.apiKey}${CRLF}` : '';
  const more = target.isBroken && maybe(random, 0.2) ? `${pick(random, ODD_HEADERS)}${CRLF}` : '';
  const lines = maybe(random, 0.1) ? `${headers}${host}${more}${key}` : `${host}${key}${headers}${more}`;
  return Buffer.from(`${start} ${version}${CRLF}${lines}${CRLF}`, 'latin1');
}

const ODD_HEADERS = [
  ...[
    `X-Large: ${'h'.repeat(20_000)}`,
    'X-Many: 1\r\n'.repeat(2_500).trimEnd(),
    'X-Request-Id: a b',
    'Connection: close',
  ],
  ...['Folded: a\r\n b', 'Space : x', ': none', 'X-Null: \0', 'traceparent: 00-0-0-0', 'Range: bytes=0-', 'X: \xff'],
  ...[
    'Transfer-Encoding: chunked',
    'Content-Length: 5',
    'Transfer-Encoding: gzip, chunked',
    'If-None-Match: *',
    'TE: trailers',
  ],
  ...[
    'Last-Event-ID: \xff',
    'Accept-Encoding: \x01',
    'Origin: null',
    'Content-Length: 5, 5',
    'Connection: keep-alive, x',
  ],
];

const TLS_HELLO = Buffer.from('160301005a010000560303', 'hex');
const HTTP2 = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function garbage(random: Random): Buffer {
  const noise = Buffer.from(Array.from({ length: upTo(random, 400) }, () => upTo(random, 255)));
  return pick(random, [TLS_HELLO, HTTP2, noise, Buffer.from(CRLF.repeat(50)), Buffer.from('GET /health\r\n')]);
}

/** With some bytes that are others, gone, or there twice. */
function mutated(random: Random, bytes: Buffer): Buffer {
  let result = bytes;
  for (let times = 1 + upTo(random, 4); times > 0 && result.length > 0; times -= 1) {
    const at = upTo(random, result.length - 1);
    const other = Buffer.from([upTo(random, 255)]);
    const span = result.subarray(at, at + upTo(random, 20));
    result = pick(random, [
      () => Buffer.concat([result.subarray(0, at), other, result.subarray(at + 1)]),
      () => Buffer.concat([result.subarray(0, at), result.subarray(at + span.length)]),
      () => Buffer.concat([result.subarray(0, at), span, result.subarray(at)]),
    ])();
  }
  return result;
}

function split(random: Random, bytes: Buffer): Buffer[] {
  const at = Array.from({ length: maybe(random, 0.5) ? 0 : 1 + upTo(random, 2) }, () => upTo(random, bytes.length));
  const cuts = [0, ...at.sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((cut, index) => bytes.subarray(cuts[index], cut));
}

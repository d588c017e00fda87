/** Bodies as no library sends them, and the headers that they are announced by. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { pick, type Random } from '../chaos/random.ts';

export interface WireBody {
  contentType: string;
  bytes: Buffer;
}

const CRLF = '\r\n';
const pad = (text: string, length: number): string => text.repeat(length).slice(0, length);
const maybe = (random: Random, chance: number): boolean => random() < chance;
const upTo = (random: Random, max: number): number => Math.floor(random() * (max + 1));
const several = <T>(random: Random, max: number, make: () => T): T[] => Array.from({ length: upTo(random, max) }, make);

/** Few texts, so that most uploads are of a document that is there already. */
const CONTENTS = [
  '',
  'x',
  'tides rise',
  '%PDF-1.7\n',
  'PK\x03\x04zip',
  '{"a":[1',
  'MZ\x90\x00',
  '\x89PNG\r\n\x1a\n\0',
  '\0',
];
const FILE_NAMES = [
  ...[
    'a.txt',
    '',
    '.',
    '..',
    '../',
    'dir/',
    'dir\\',
    ' ',
    '\t',
    '\0',
    '\u202e',
    'a\0b.txt',
    '../../etc/passwd',
    'a".txt',
  ],
  ...[
    '%22',
    '%0D%0A',
    'ü.md',
    '日本.csv',
    pad('n', 255),
    pad('n', 256),
    pad('n', 90_000),
    `${pad('é', 300)}.txt`,
    'a;b=c',
  ],
  ...['\xff\xfe', 'CON', '-', '__proto__', `a${CRLF}X: y`, 'a\rb', "utf-8''x", '=?utf-8?b?eA==?='],
];
const FIELD_NAMES = [
  'file',
  'file',
  'file',
  'collection',
  'format',
  'metadata',
  '',
  '__proto__',
  'File',
  pad('f', 100),
];
const FIELD_VALUES = ['', 'default', '!!', 'txt', 'exe', '{"a":1}', '{', '{"__proto__":{}}', pad('v', 70_000), '\0'];
const PART_TYPES = [
  ...['text/plain', 'application/octet-stream', 'text/plain; charset=utf-16', 'multipart/mixed; boundary=y', ''],
  ...['text/plain; charset=nonsense', 'a'.repeat(5_000), 'application/json', ';;;', 'text/plain; charset="'],
];
const DISPOSITIONS = ['form-data', 'form-data', 'form-data', 'form-data', 'FORM-DATA', 'attachment', '', 'form-data;;'];
const BOUNDARIES = [
  'b',
  'b',
  'b',
  '----WebKitFormBoundaryabc',
  'a b',
  "'()+_,-./:=?",
  pad('x', 70),
  pad('x', 300),
  '',
  '-',
  '--',
];

/** A form as it should be, or with a part or some, each with faults of its own. */
export function formBody(random: Random): WireBody {
  if (maybe(random, 0.4)) return goodForm(random);
  const boundary = pick(random, BOUNDARIES);
  const used = maybe(random, 0.95) ? boundary : `${boundary}x`;
  const eol = maybe(random, 0.95) ? CRLF : '\n';
  const parts = several(random, 3, () => part(random, used, eol));
  const pieces = [
    maybe(random, 0.1) ? `preamble${eol}` : '',
    ...parts,
    maybe(random, 0.9) ? `--${used}--${eol}` : '',
    maybe(random, 0.1) ? 'epilogue' : '',
  ];
  const quoted = maybe(random, 0.3) ? `"${boundary}"` : boundary;
  const contentType = maybe(random, 0.95) ? `multipart/form-data; boundary=${quoted}` : pick(random, CONTENT_TYPES);
  return { contentType, bytes: Buffer.from(pieces.join(''), maybe(random, 0.8) ? 'utf8' : 'latin1') };
}

function goodForm(random: Random): WireBody {
  const field = (disposition: string, value: string) =>
    `--b${CRLF}Content-Disposition: form-data; ${disposition}${CRLF}${CRLF}${value}${CRLF}`;
  const fields = [
    maybe(random, 0.3) ? field('name="collection"', pick(random, ['default', 'wire', '!!'])) : '',
    maybe(random, 0.3) ? field('name="metadata"', pick(random, ['{"a":1}', '{'])) : '',
  ];
  const content = pick(random, CONTENTS).repeat(maybe(random, 0.1) ? 50_000 : 1);
  const file = field(`name="file"; filename="${pick(random, maybe(random, 0.6) ? ['a.txt'] : FILE_NAMES)}"`, content);
  const bytes = Buffer.from(`${fields[0]}${file}${fields[1]}--b--${CRLF}`);
  return { contentType: 'multipart/form-data; boundary=b', bytes };
}

function part(random: Random, boundary: string, eol: string): string {
  const name = pick(random, FIELD_NAMES);
  const isFile = maybe(random, name === 'file' ? 0.8 : 0.1);
  const parameters = [
    maybe(random, 0.95) ? `name="${name}"` : '',
    isFile ? `filename="${pick(random, FILE_NAMES)}"` : '',
    maybe(random, 0.05) ? `filename*=UTF-8''%e2%82%ac` : '',
  ].filter(Boolean);
  const headers = [
    maybe(random, 0.95) ? `Content-Disposition: ${[pick(random, DISPOSITIONS), ...parameters].join('; ')}` : '',
    maybe(random, 0.5) ? `Content-Type: ${pick(random, PART_TYPES)}` : '',
    maybe(random, 0.1) ? 'Content-Transfer-Encoding: base64' : '',
    ...several(random, maybe(random, 0.05) ? 40 : 0, () => `X-Any: ${pick(random, FIELD_VALUES)}`),
  ].filter(Boolean);
  const shuffled = maybe(random, 0.2) ? headers.reverse() : headers;
  const content = isFile ? pick(random, CONTENTS).repeat(maybe(random, 0.05) ? 50_000 : 1) : pick(random, FIELD_VALUES);
  return `--${boundary}${eol}${shuffled.join(eol)}${eol}${eol}${content}${eol}`;
}

const CONTENT_TYPES = [
  ...['application/json', 'application/json', 'application/json', 'application/json; charset=utf-16', ''],
  ...[
    'application/json; charset=x',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'text/plain',
    ';',
    '\x01',
  ],
];
const JSON_TEXTS = [
  ...[
    '{"name":"a.txt","content":"tides rise"}',
    '{"query":"tides"}',
    '{"query":"tides","mode":"keyword"}',
    '{}',
    'null',
  ],
  ...['{"name":"..","content":"x"}', '{"name":"\\u0000","content":"\\ud800"}', '{"query":"%","limit":1e99}', '', '"x"'],
  ...[
    pad('[', 50_000),
    `{"name":"a.txt","content":"${pad('y', 100_000)}`,
    '{"query":"\\ud83d"}',
    '\ufeff{}',
    '{"a":\0}',
  ],
];

export function jsonBody(random: Random): WireBody {
  const contentType = maybe(random, 0.6) ? 'application/json' : pick(random, CONTENT_TYPES);
  return { contentType, bytes: Buffer.from(pick(random, JSON_TEXTS)) };
}

/** As it goes over the wire: compressed or not, honestly or not. */
export function encoded(random: Random, bytes: Buffer): { bytes: Buffer; header: string } {
  if (maybe(random, 0.85)) return { bytes, header: '' };
  const [name, compress] = pick(random, [
    ...([
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
    ] as const),
    ...([
      ['gzip', (same: Buffer) => same],
      ['zstd', (same: Buffer) => same],
      ['nonsense', (same: Buffer) => same],
    ] as const),
  ]);
  const compressed = compress(bytes);
  const cut = maybe(random, 0.2) ? compressed.subarray(0, upTo(random, compressed.length)) : compressed;
  return { bytes: cut, header: `Content-Encoding: ${name}${CRLF}` };
}

/** In chunks, with extensions and trailers; where it is broken, with sizes and ends that are wrong at times. */
export function chunked(random: Random, bytes: Buffer, isBroken: boolean): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Math.min(bytes.length - at, 1 + upTo(random, bytes.length < 3_000 ? 30 : 20_000));
    const told = maybe(random, 0.99)
      ? size.toString(16)
      : pick(random, ['zz', '-1', 'ffffffffffffffffff', '0', ' 5', '']);
    const extension = maybe(random, 0.05) ? `;${pad('e', upTo(random, isBroken ? 20_000 : 20))}` : '';
    pieces.push(Buffer.from(`${told}${extension}${CRLF}`), bytes.subarray(at, at + size), Buffer.from(CRLF));
    at += size;
    if (isBroken && pieces.length > 300) break;
  }
  const trailer = maybe(random, 0.05) ? `X-Trailer: ${pad('t', upTo(random, isBroken ? 20_000 : 20))}${CRLF}` : '';
  if (!isBroken || maybe(random, 0.9)) pieces.push(Buffer.from(`0${CRLF}${trailer}${CRLF}`));
  return Buffer.concat(pieces);
}

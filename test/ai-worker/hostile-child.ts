/** A parser process that does what a document's name says: what the worst of files could make a parser do. */
import { randomUUID } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import { PIPES } from '../../src/ai-worker/parse-channel.ts';
import { serveParser } from '../../src/ai-worker/serve-parser.ts';
import { ProcessingError } from '../../src/documents/job.ts';

const kept: unknown[] = [];
const identity = randomUUID();

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function answer(data: string | Buffer): string {
  for (let rest = Buffer.from(data); rest.length > 0; ) rest = rest.subarray(written(rest));
  return identity;
}

/** The pipe takes what there is room for. */
function written(data: Buffer): number {
  try {
    return writeSync(PIPES.answers, data);
  } catch {
    pause(5);
    return 0;
  }
}

function keep(megabytes: number): string {
  kept.push(Buffer.alloc(megabytes * 1024 * 1024, 1));
  // Long enough to be seen.
  pause(500);
  return identity;
}

const deeds: Record<string, () => string> = {
  identity: () => identity,
  surroundings: () => JSON.stringify({ env: process.env, execArgv: process.execArgv }),
  'read a file': () => readFileSync('/etc/passwd', 'utf8'),
  loop: () => {
    for (;;) kept.length = 0;
  },
  'eat buffers': () => {
    for (;;) kept.push(Buffer.alloc(1024 * 1024, 1));
  },
  'eat heap': () => {
    for (;;) kept.push(Array.from({ length: 1000 }, () => ({})));
  },
  'keep 100 MB': () => keep(100),
  'keep 300 MB': () => keep(300),
  'wait without end': () => {
    pause(Number.POSITIVE_INFINITY);
    return '';
  },
  'make chunks': () => 'x',
  'answer nonsense': () => answer('7\n'),
  'answer nothing': () => answer('null\n'),
  'answer what is no JSON': () => answer(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0a])),
  'answer what is no chunk': () => answer('{"type":"chunks","chunks":[{"text":5}]}\n'),
  'answer that it begins once more': () => answer('{"type":"began"}\n'),
  'answer that it has no chunks': () => answer('{"type":"done","characters":0,"chunkMs":0}\n'),
  'answer that others read pictures': () => answer('{"type":"needs-ocr"}\n'),
  'answer a reason of its own': () =>
    answer('{"type":"failed","code":"HUNGRY","message":"","retryable":true,"cause":""}\n'),
  'answer a place beyond all': () =>
    answer(
      '{"type":"chunks","chunks":[{"text":"x","headings":[],"page":3e9,"startOffset":0,"endOffset":1,"tokens":1}]}\n',
    ),
  'tell more text than any document holds': () => {
    const headings = Array(1000).fill('x'.repeat(1000));
    const chunk = { text: 'x', headings, page: null, startOffset: 0, endOffset: 1, tokens: 1 };
    const line = JSON.stringify({ type: 'chunks', chunks: Array(10).fill(chunk) });
    for (;;) answer(`${line}\n`);
  },
  'answer without end': () => {
    for (;;) answer(Buffer.alloc(1024 * 1024, 'x'));
  },
  exit: () => process.exit(0),
  refuse: () => {
    throw new ProcessingError('ENCRYPTED_FILE', 'The file is locked.', { cause: new RangeError('secret text') });
  },
  stumble: () => {
    throw new TypeError('secret text');
  },
};

serveParser(async ({ name }) => {
  const text = deeds[name]?.() ?? '';
  const chunk = { text, headings: [], page: null, startOffset: 0, endOffset: text.length, tokens: 1 };
  return { chunks: Array(name === 'make chunks' ? 300 : 1).fill(chunk), characters: text.length, chunkMs: 0 };
});

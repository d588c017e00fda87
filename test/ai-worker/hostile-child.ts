/** A parser process that does what a document's name says: what the worst of files could make a parser do. */
import { readFileSync } from 'node:fs';
import { serveParser } from '../../src/ai-worker/serve-parser.ts';
import { ProcessingError } from '../../src/documents/job.ts';

const kept: unknown[] = [];

const deeds: Record<string, () => string> = {
  pid: () => String(process.pid),
  surroundings: () => JSON.stringify({ env: process.env, execArgv: process.execArgv }),
  'read a file': () => readFileSync('/etc/passwd', 'utf8'),
  loop: () => {
    // The last sign of life; ignored by who does not listen to it.
    process.kill(process.ppid, 'SIGWINCH');
    for (;;) kept.length = 0;
  },
  'eat buffers': () => {
    for (;;) kept.push(Buffer.alloc(1024 * 1024, 1));
  },
  'eat heap': () => {
    for (;;) kept.push(Array.from({ length: 1000 }, () => ({})));
  },
  exit: () => process.exit(0),
  refuse: () => {
    throw new ProcessingError('ENCRYPTED_FILE', 'The file is locked.', { cause: new RangeError('secret text') });
  },
  stumble: () => {
    throw new TypeError('secret text');
  },
};

await serveParser(async ({ name }) => {
  const text = deeds[name]?.() ?? '';
  const chunk = { text, headings: [], page: null, startOffset: 0, endOffset: text.length, tokens: 1 };
  return { chunks: [chunk], characters: text.length, chunkMs: 0 };
});

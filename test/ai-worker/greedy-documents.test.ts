import assert from 'node:assert/strict';
import { findEnclosure } from '../../src/ai-worker/parse-enclosure.ts';
import { openParsePool, type ParsePool } from '../../src/ai-worker/parse-pool.ts';
import { ProcessingError } from '../../src/documents/job.ts';
import { GREEDY_DOCUMENTS, GREEDY_PICTURES } from '../support/greedy-documents.ts';

describe('documents of kilobytes that would take gigabytes or minutes', function suite() {
  this.timeout(120_000);
  let pool: ParsePool;
  afterEach(() => pool.close());

  for (const [documents, ocr] of [
    [GREEDY_DOCUMENTS, false],
    [GREEDY_PICTURES, true],
  ] as const)
    for (const [what, { format, content, end }] of Object.entries(documents))
      it(`end, for good: ${format} of ${what}`, async () => {
        pool = openParsePool({
          enclosure: await findEnclosure(),
          concurrency: 1,
          timeoutMs: 120_000,
          cpuMs: end === 'PARSE_TIMEOUT' ? 3000 : 30_000,
          memoryMb: 768,
          maxChunks: 20_000,
          ocr,
        });
        const bytes = Buffer.from(content() as string);
        const parsed = await pool
          .parse({ format, name: `greedy.${format}`, bytes, owner: 'one' })
          .catch((error: unknown) => error);
        if (typeof end === 'string') {
          assert.ok(parsed instanceof ProcessingError, 'it can not be read');
          assert.deepEqual([parsed.code, parsed.retryable], [end, false]);
        } else {
          assert.ok(typeof parsed === 'object' && parsed !== null && 'chunks' in parsed, String(parsed));
          assert.match((parsed.chunks as { text: string }[]).map(({ text }) => text).join('\n'), end);
        }
      });
});

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { claimAttempt } from '../../src/documents/attempts.ts';
import { storeResult } from '../../src/documents/results.ts';
import { deleteDocument, listChunks, requeueDocuments } from '../../src/documents/store.ts';
import type { DomainError } from '../../src/platform/errors.ts';
import { givenDocument, mustFind, policy, resultOf } from '../support/documents.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';

const dimensions = 4;
const withCode = (code: string) => (error: DomainError) => error.code === code;

describe('results', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase({ dimensions });
  });
  after(() => database.close());

  async function claimed(attempt = 1, id?: string): Promise<{ documentId: string; attempt: number }> {
    const documentId = id ?? (await givenDocument(database.pool)).id;
    await claimAttempt(database.pool, documentId, { attempt, worker: 'a' }, policy);
    return { documentId, attempt };
  }
  const store = (id: { documentId: string; attempt: number }, body: Readable) =>
    storeResult(database.pool, id, body, { dimensions, policy });
  const texts = async (id: string) => {
    const row = await mustFind(database.pool, id);
    return (await listChunks(database.pool, row, { after: -1, limit: 1000 })).map((chunk) => chunk.text);
  };
  const rowsOf = async (id: string) =>
    Number((await database.pool.query('SELECT count(*) FROM chunks WHERE document_id = $1', [id])).rows[0].count);

  it('makes a document searchable', async () => {
    const id = await claimed();
    const many = Array.from({ length: 70 }, (_, index) => `chunk ${index}`);
    const completed = await store(id, resultOf(many, { dimensions }));
    assert.equal(completed?.chunks, 70);
    assert.deepEqual(await texts(id.documentId), many);
    const row = await mustFind(database.pool, id.documentId);
    assert.deepEqual([row.status, row.parse_ms, row.embed_ms, row.percent], ['completed', 1, 2, 100]);
  });

  it('changes nothing when it comes again', async () => {
    const id = await claimed();
    await store(id, resultOf(['one'], { dimensions }));
    assert.equal(await store(id, resultOf(['two'], { dimensions })), undefined);
    assert.deepEqual(await texts(id.documentId), ['one']);
  });

  for (const [what, body] of Object.entries({
    'without an end': () => resultOf(['one', 'two'], { dimensions, end: null }),
    'that is short of a chunk': () =>
      resultOf(['one'], { dimensions, end: { end: true, chunks: 2, parseMs: 1, embedMs: 1 } }),
    'with vectors of another width': () => resultOf(['one'], { dimensions: 3 }),
    'that is not the contract': () => Readable.from(['{"text":1}\n']),
    'that is no JSON': () => Readable.from(['nonsense\n']),
  })) {
    it(`does not take one ${what}, and takes the whole one after it`, async () => {
      const id = await claimed();
      await assert.rejects(store(id, body()), withCode('INVALID_REQUEST'));
      assert.equal((await mustFind(database.pool, id.documentId)).status, 'processing');
      await store(id, resultOf(['whole'], { dimensions }));
      assert.deepEqual(await texts(id.documentId), ['whole']);
      assert.equal(await rowsOf(id.documentId), 1);
    });
  }

  it('keeps the old chunks searchable until the new are whole', async () => {
    const first = await claimed();
    await store(first, resultOf(['old'], { dimensions }));
    await requeueDocuments(database.pool, { id: first.documentId });
    const second = await claimed(2, first.documentId);
    await assert.rejects(store(second, resultOf(['new', 'half'], { dimensions, end: null })));
    assert.deepEqual(await texts(first.documentId), ['old']);
    await store(second, resultOf(['new'], { dimensions }));
    assert.deepEqual(await texts(first.documentId), ['new']);
    assert.equal(await rowsOf(first.documentId), 1);
  });

  it('is refused from a worker that has lost the document', async () => {
    const id = await claimed();
    await deleteDocument(database.pool, id.documentId);
    await assert.rejects(store(id, resultOf(['late'], { dimensions })), withCode('NOT_FOUND'));
    const other = await claimed();
    await assert.rejects(store({ ...other, attempt: 7 }, resultOf(['early'], { dimensions })), withCode('CONFLICT'));
  });

  it('drops what Postgres can not hold', async () => {
    const id = await claimed();
    await store(id, resultOf(['a\0b \ud800 c'], { dimensions }));
    assert.deepEqual(await texts(id.documentId), ['a b \ufffd c']);
  });
});

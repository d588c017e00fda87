import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { endLostAttempts, failAttempt, releaseAttempt } from '../../src/documents/attempt-ends.ts';
import { storeResult } from '../../src/documents/results.ts';
import { readOpenAttempts } from '../../src/documents/silence.ts';
import { deleteDocument, listChunks, requeueDocument } from '../../src/documents/store.ts';
import type { DomainError } from '../../src/platform/errors.ts';
import { transaction } from '../../src/platform/postgres.ts';
import { claim, givenDocument, mustFind, policy, resultOf } from '../support/documents.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { until } from '../support/until.ts';

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
    await claim(database.pool, documentId, attempt);
    return { documentId, attempt };
  }
  const store = (id: { documentId: string; attempt: number }, body: Readable) =>
    storeResult(database.pool, id, body, { dimensions, policy });
  const texts = async (id: string) => {
    const row = await mustFind(database.pool, id);
    return (await listChunks(database.pool, row, { after: -1, limit: 1000 })).map((chunk) => chunk.text);
  };
  const rowsOf = async (id: string, table = 'chunks') =>
    Number((await database.pool.query(`SELECT count(*) FROM ${table} WHERE document_id = $1`, [id])).rows[0].count);
  /** As when no backend has heard of its worker for a lease. */
  const lose = async (id: string) => {
    const open = await readOpenAttempts(database.pool);
    const ended = await endLostAttempts(database.pool, open.filter(({ documentId }) => documentId === id), policy); // biome-ignore format: one thought
    assert.equal(ended.length, 1);
  };
  /** Some batches. */
  const many = Array.from({ length: 70 }, (_, index) => `chunk ${index}`);
  /** A result of `many` that stands still after some lines until it may go on. */
  function held(after: number): { body: Readable; goOn: () => void } {
    const gate = Promise.withResolvers<void>();
    const body = Readable.from(
      (async function* () {
        let sent = 0;
        for await (const line of resultOf(many, { dimensions })) {
          if (sent === after) await gate.promise;
          sent += 1;
          yield line;
        }
      })(),
    );
    return { body, goOn: gate.resolve };
  }

  it('makes a document searchable', async () => {
    const id = await claimed();
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
    await requeueDocument(database.pool, first.documentId);
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

  it('is whole where it comes again before its first coming has ended', async () => {
    const id = await claimed();
    const [first, again] = [held(35), held(0)];
    const storing = store(id, first.body);
    await until(async () => (await rowsOf(id.documentId)) > 0);
    const storingAgain = store(id, again.body);
    await until(async () => (await rowsOf(id.documentId)) === 0);
    first.goOn();
    await assert.rejects(storing, withCode('UNAVAILABLE'));
    assert.deepEqual(await texts(id.documentId), []);
    again.goOn();
    assert.equal((await storingAgain)?.chunks, many.length);
    assert.deepEqual(await texts(id.documentId), many);
  });

  it('does not wait for the lines of a worker that left before it was its turn', async () => {
    const id = await claimed();
    const { body } = held(0);
    const storing = await transaction(database.pool, async (client) => {
      await client.query('SELECT FROM documents WHERE id = $1 FOR UPDATE', [id.documentId]);
      const waiting = store(id, body);
      body.destroy();
      return [waiting];
    });
    await assert.rejects(Promise.all(storing), withCode('INVALID_REQUEST'));
  });

  it('leaves nothing behind of a document that is deleted meanwhile', async () => {
    const id = await claimed();
    const result = held(35);
    const storing = store(id, result.body);
    await until(async () => (await rowsOf(id.documentId)) > 0);
    assert.equal(await deleteDocument(database.pool, id.documentId), true);
    result.goOn();
    await assert.rejects(storing, withCode('NOT_FOUND'));
    for (const table of ['chunks', 'document_parts', 'attempts'])
      assert.equal(await rowsOf(id.documentId, table), 0, table);
  });

  it('is refused from a worker whose lease has ended, at any time', async () => {
    const old = await claimed();
    const result = held(35);
    const storing = store(old, result.body);
    await until(async () => (await rowsOf(old.documentId)) > 0);
    await lose(old.documentId);
    const next = await claimed(2, old.documentId);
    result.goOn();
    await assert.rejects(storing, withCode('UNAVAILABLE'));
    assert.equal(await rowsOf(old.documentId), 0, 'not a chunk of the old attempt');

    await store(next, resultOf(['new'], { dimensions }));
    const failure = { code: 'CORRUPT_FILE', message: 'late', retryable: false, surroundings: false } as const;
    for (const late of [
      () => store(old, resultOf(['late'], { dimensions })),
      () => failAttempt(database.pool, old, failure, policy),
      () => releaseAttempt(database.pool, old, policy),
    ])
      await assert.rejects(late(), withCode('CONFLICT'));
    assert.deepEqual(await texts(old.documentId), ['new']);
    assert.equal((await mustFind(database.pool, old.documentId)).status, 'completed');
  });

  it('is taken late from a worker that was taken for lost, where nobody else has the document by now', async () => {
    const id = await claimed();
    await lose(id.documentId);
    assert.equal((await mustFind(database.pool, id.documentId)).status, 'queued');
    assert.equal((await store(id, resultOf(many, { dimensions })))?.chunks, many.length);
    const row = await mustFind(database.pool, id.documentId);
    assert.deepEqual([row.status, row.attempts], ['completed', 1]);
    assert.deepEqual(await texts(id.documentId), many);
  });

  it('is asked for again where its worker was taken for lost in the middle of it', async () => {
    const id = await claimed();
    const result = held(35);
    const storing = store(id, result.body);
    await until(async () => (await rowsOf(id.documentId)) > 0);
    await lose(id.documentId);
    result.goOn();
    await assert.rejects(storing, withCode('UNAVAILABLE'));
    assert.equal((await store(id, resultOf(many, { dimensions })))?.chunks, many.length);
    assert.deepEqual(await texts(id.documentId), many);
  });

  it('is refused, at no cost, with the vectors of another model', async () => {
    const id = await claimed();
    const end = { end: true, chunks: 1, parseMs: 1, embedMs: 2, space: { model: 'other', dimensions } };
    await assert.rejects(store(id, resultOf(['one'], { dimensions, end })), withCode('INCOMPATIBLE'));
    assert.deepEqual(await texts(id.documentId), []);
    assert.equal((await releaseAttempt(database.pool, id, policy)).counted, false);
    const again = await claimed(2, id.documentId);
    await store(again, resultOf(['one'], { dimensions, end: { ...end, space: { model: 'test', dimensions } } }));
    assert.deepEqual(await texts(id.documentId), ['one']);
  });

  it('drops what Postgres can not hold', async () => {
    const id = await claimed();
    await store(id, resultOf(['a\0b \ud800 c'], { dimensions }));
    assert.deepEqual(await texts(id.documentId), ['a b \ufffd c']);
  });
});

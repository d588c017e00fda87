import assert from 'node:assert/strict';
import { type AttemptChunks, foldCorpusDeltas } from '../../src/search/corpus-statistics.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { addDocument, deleteDocument, randomSource, randomText, replaceDocument } from './corpus.ts';

describe('the statistics of the corpus', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openTestDatabase({ dimensions: 3 });
  });
  afterEach(() => database.close());

  /** What the statistics say, totals and deltas together. */
  const kept = async () => ({
    corpus: await rows(`SELECT collection, sum(chunks)::int AS chunks, sum(length)::int AS length FROM (
        SELECT collection, chunks, length FROM corpus_totals UNION ALL SELECT collection, chunks, length FROM corpus_deltas
      ) AS c GROUP BY collection HAVING sum(chunks) <> 0 ORDER BY collection`),
    lexemes: await rows(`SELECT lexeme, collection, sum(chunks)::int AS chunks FROM (
        SELECT lexeme, collection, chunks FROM lexeme_totals UNION ALL SELECT lexeme, collection, chunks FROM lexeme_deltas
      ) AS l GROUP BY lexeme, collection HAVING sum(chunks) <> 0 ORDER BY lexeme COLLATE "C", collection`),
  });

  /** The same, counted anew. */
  const counted = async () => {
    const corpus = await rows(`SELECT collection, count(*)::int AS chunks, sum(length)::int AS length
      FROM chunks GROUP BY collection ORDER BY collection`);
    const lexemes = await rows(`SELECT s.word AS lexeme, c.collection, s.ndoc AS chunks
      FROM (SELECT DISTINCT collection FROM chunks) AS c,
        LATERAL ts_stat(format('SELECT lexemes FROM chunks WHERE collection = %L', c.collection)) AS s
      ORDER BY s.word COLLATE "C", c.collection`);
    return { corpus, lexemes };
  };

  const rows = async (sql: string) => (await database.pool.query(sql)).rows;

  const deltas = async () =>
    (await rows('SELECT (SELECT count(*) FROM corpus_deltas) + (SELECT count(*) FROM lexeme_deltas) AS count'))[0]
      .count;

  it('stay exact while documents come, change and go, and deltas are folded', async () => {
    const random = randomSource(7);
    const { pool } = database;
    const chunks = () => Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({ text: randomText(random, 20) }));
    const oneLife = async (index: number) => {
      let id: AttemptChunks = await addDocument(pool, { collection: `c${index % 3}`, chunks: chunks() });
      if (random() < 0.5) id = await replaceDocument(pool, id, chunks());
      if (random() < 0.5) await deleteDocument(pool, id);
    };
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([
        ...Array.from({ length: 12 }, (_, index) => oneLife(index)),
        ...Array.from({ length: 4 }, () => foldCorpusDeltas(pool)),
      ]);
      assert.deepEqual(await kept(), await counted());
    }
    assert.ok((await counted()).lexemes.length > 100);
    while ((await foldCorpusDeltas(pool)) > 0);
    assert.equal(await deltas(), '0');
    assert.deepEqual(await kept(), await counted());
  });

  it('keep nothing of what is gone', async () => {
    const { pool } = database;
    const id = await addDocument(pool, { chunks: [{ text: 'tides rise' }, { text: 'tides fall' }] });
    await foldCorpusDeltas(pool);
    assert.deepEqual(await rows('SELECT lexeme, chunks::int FROM lexeme_totals ORDER BY lexeme'), [
      { lexeme: 'fall', chunks: 1 },
      { lexeme: 'rise', chunks: 1 },
      { lexeme: 'tide', chunks: 2 },
    ]);
    await deleteDocument(pool, id);
    await foldCorpusDeltas(pool);
    assert.deepEqual(await rows('SELECT * FROM lexeme_totals'), []);
    assert.deepEqual(await rows('SELECT * FROM corpus_totals'), []);
    assert.equal(await deltas(), '0');
  });

  it('are untouched by a transaction that fails', async () => {
    const { pool } = database;
    const id = await addDocument(pool, { chunks: [{ text: 'tides rise' }] });
    await assert.rejects(replaceDocument(pool, id, [{ text: 'other words', vector: [1, 2] }]), /dimensions/);
    assert.deepEqual(await kept(), await counted());
  });
});

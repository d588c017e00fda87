import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Embedder } from '../../src/embeddings/embedder.ts';
import { OwnSpace } from '../../src/embeddings/own-space.ts';
import { reembed } from '../../src/embeddings/reembed.ts';
import { ensureEmbeddingSpace, readEmbeddingSpace } from '../../src/embeddings/space.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { columnsNamed, makeUnused, vectorColumn } from './unused-database.ts';

const CHUNKS = 150;

describe('reembed', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let pool: Pool;
  before(async () => {
    database = await openTestDatabase({ dimensions: 3 });
    pool = database.pool;
  });
  after(() => database.close());
  beforeEach(async () => {
    await makeUnused(pool);
    await ensureEmbeddingSpace(pool, { model: 'old', dimensions: 3 });
    await storeChunks(0, CHUNKS);
  });

  async function storeChunks(from: number, count: number): Promise<void> {
    const document = randomUUID();
    await pool.query(
      `INSERT INTO documents (id, collection, name, format, lane, bytes, sha256, status)
       VALUES ($1, 'default', 'a', 'txt', 'fast', 1, $2, 'completed')`,
      [document, document],
    );
    await pool.query(
      `INSERT INTO chunks (document_id, attempt, ordinal, collection, text, headings, start_offset, end_offset,
         tokens, lexemes, length, embedding)
       SELECT $1, 1, n, 'default', 'chunk ' || n, CASE WHEN n % 2 = 0 THEN ARRAY['Top', 'Part'] ELSE '{}' END,
         0, 1, 2, '', 0, '[1,0,0]'
       FROM generate_series($2::int, $3::int - 1) AS n`,
      [document, from, from + count],
    );
  }

  /** Gives each text a vector that tells its number, and keeps what it was asked. */
  function countingEmbedder(model: string, onCall?: (calls: number) => void): Embedder & { texts: string[] } {
    const texts: string[] = [];
    let calls = 0;
    return {
      provider: 'test',
      model,
      space: new OwnSpace(model, 4),
      texts,
      async embed(batch) {
        onCall?.(++calls);
        texts.push(...batch);
        return batch.map((text) => Float32Array.of(1, Number(/\d+$/.exec(text)?.[0]), 0.1, model.length));
      },
      probe: async () => 4,
      close: async () => undefined,
    };
  }

  const vectors = async () =>
    (await pool.query<{ embedding: string }>('SELECT embedding::text FROM chunks ORDER BY ordinal')).rows.map(
      ({ embedding }) => embedding,
    );

  it('gives every chunk its new vector, and the database its new width, index and model', async () => {
    const embedder = countingEmbedder('new');
    await reembed({ pool, embedder });
    assert.deepEqual(
      await vectors(),
      Array.from({ length: CHUNKS }, (_, n) => `[1,${n},0.1,3]`),
    );
    assert.deepEqual(await readEmbeddingSpace(pool), { model: 'new', dimensions: 4 });
    assert.deepEqual(await vectorColumn(pool), { type: 'vector(4)', index: 'hnsw (embedding vector_cosine_ops)' });
    assert.deepEqual(await columnsNamed(pool, 'embedding'), ['embedding']);
    await assert.rejects(pool.query('UPDATE chunks SET embedding = NULL'), /null value/);
    await ensureEmbeddingSpace(pool, { model: 'new', dimensions: 4 });
  });

  it('embeds what a worker would: headings above the text', async () => {
    const embedder = countingEmbedder('new');
    await reembed({ pool, embedder });
    assert.deepEqual(embedder.texts.slice(0, 2), ['Top > Part\nchunk 0', 'chunk 1']);
  });

  it('says how far it is', async () => {
    const progress: unknown[] = [];
    await reembed({ pool, embedder: countingEmbedder('new'), onProgress: (step) => progress.push(step) });
    assert.deepEqual(progress[0], { done: 0, total: CHUNKS });
    assert.deepEqual(progress.at(-1), { done: CHUNKS, total: CHUNKS });
  });

  it('goes on where it was stopped, and searches find the old vectors until then', async () => {
    const stopping = countingEmbedder('new', (calls) => {
      if (calls === 2) throw new Error('the power is out');
    });
    await assert.rejects(reembed({ pool, embedder: stopping }), /the power is out/);
    assert.deepEqual(new Set(await vectors()), new Set(['[1,0,0]']));
    assert.deepEqual(await readEmbeddingSpace(pool), { model: 'old', dimensions: 3 });

    const embedder = countingEmbedder('new');
    await reembed({ pool, embedder });
    assert.equal(embedder.texts.length, CHUNKS - stopping.texts.length);
    assert.ok(stopping.texts.length > 0);
    assert.equal((await vectors()).at(0), '[1,0,0.1,3]');
  });

  it('never mixes the vectors of two models of one width', async () => {
    const stopping = countingEmbedder('abandoned', (calls) => {
      if (calls === 2) throw new Error('the power is out');
    });
    await assert.rejects(reembed({ pool, embedder: stopping }));
    const embedder = countingEmbedder('new');
    await reembed({ pool, embedder });
    assert.equal(embedder.texts.length, CHUNKS);
    assert.ok((await vectors()).every((vector) => vector.endsWith(',3]')));
    assert.deepEqual(await columnsNamed(pool, 'embedding'), ['embedding']);
  });

  it('takes in chunks that are stored while it runs', async () => {
    await pool.query('DELETE FROM chunks WHERE ordinal = 0');
    const inner = countingEmbedder('new');
    let late = 0;
    const embedder: Embedder = {
      ...inner,
      async embed(texts, options) {
        // Behind the cursor, as the ids of a transaction that commits late are.
        if (inner.texts.includes('chunk 149')) late++;
        else if (texts.includes('chunk 149')) await storeBehind();
        return inner.embed(texts, options);
      },
    };
    await reembed({ pool, embedder });
    assert.equal(late, 1);
    assert.equal((await vectors()).length, CHUNKS);
  });

  /** Stores a chunk with an id that is smaller than all others. */
  const storeBehind = () =>
    pool.query(
      `INSERT INTO chunks (id, document_id, attempt, ordinal, collection, text, headings, start_offset, end_offset,
         tokens, lexemes, length, embedding) OVERRIDING SYSTEM VALUE
       SELECT 1, document_id, attempt, 0, collection, 'chunk 0', '{}', 0, 1, 2, '', 0, '[1,0,0]' FROM chunks LIMIT 1`,
    );

  it('stops when told to', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const embedder = countingEmbedder('new', (calls) => calls === 1 && controller.abort(reason));
    await assert.rejects(reembed({ pool, embedder, signal: controller.signal }), reason);
    assert.equal(embedder.texts.length, 64);
  });

  it('has nothing to do on a database of the same model', async () => {
    const embedder = countingEmbedder('new');
    await reembed({ pool, embedder });
    const again = countingEmbedder('new');
    await reembed({ pool, embedder: again });
    assert.deepEqual(again.texts, []);
  });

  it('refuses vectors that are too wide before it embeds anything', async () => {
    const embedder = { ...countingEmbedder('wide'), probe: async () => 3072 };
    await assert.rejects(reembed({ pool, embedder }), { name: 'EmbeddingSpaceError' });
    assert.deepEqual(embedder.texts, []);
  });
});

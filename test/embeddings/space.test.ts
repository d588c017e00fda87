import assert from 'node:assert/strict';
import type { Pool } from 'pg';
import { EmbeddingSpaceError, ensureEmbeddingSpace, readEmbeddingSpace } from '../../src/embeddings/space.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { makeUnused, vectorColumn } from './unused-database.ts';

describe('ensureEmbeddingSpace', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let pool: Pool;
  before(async () => {
    database = await openTestDatabase({ dimensions: 3 });
    pool = database.pool;
  });
  after(() => database.close());
  beforeEach(async () => {
    await makeUnused(pool);
  });

  it('gives a new database its model, its width and its index', async () => {
    await ensureEmbeddingSpace(pool, { model: 'one', dimensions: 3 });
    assert.deepEqual(await readEmbeddingSpace(pool), { model: 'one', dimensions: 3 });
    assert.deepEqual(await vectorColumn(pool), { type: 'vector(3)', index: 'hnsw (embedding vector_cosine_ops)' });
  });

  it('changes nothing the second time, nor where several come at once', async () => {
    const ensure = () => ensureEmbeddingSpace(pool, { model: 'one', dimensions: 3 });
    await Promise.all([ensure(), ensure()]);
    const index = () => pool.query(`SELECT 'chunks_embedding'::regclass::oid`);
    const { rows } = await index();
    await ensure();
    assert.deepEqual((await index()).rows, rows);
  });

  it('takes the widest vectors that can be indexed, and no wider ones', async () => {
    await assert.rejects(ensureEmbeddingSpace(pool, { model: 'wide', dimensions: 2001 }), {
      name: 'EmbeddingSpaceError',
      message: /wide with 2001 dimensions can't be indexed: at most 2000 dimensions can\. Set EMBEDDING_DIMENSIONS/,
    });
    assert.equal(await readEmbeddingSpace(pool), undefined);
    await ensureEmbeddingSpace(pool, { model: 'wide', dimensions: 2000 });
    assert.equal((await vectorColumn(pool)).type, 'vector(2000)');
  });

  for (const other of [
    { model: 'other', dimensions: 3 },
    { model: 'one', dimensions: 4 },
  ]) {
    it(`stops at ${other.model} with ${other.dimensions} on a database of one with 3, and says what to do`, async () => {
      await ensureEmbeddingSpace(pool, { model: 'one', dimensions: 3 });
      await assert.rejects(ensureEmbeddingSpace(pool, other), (error) => {
        assert.ok(error instanceof EmbeddingSpaceError);
        assert.match(error.message, /holds vectors of one with 3 dimensions/);
        assert.ok(error.message.includes(`${other.model} with ${other.dimensions} dimensions is configured`));
        assert.match(error.message, /npm run reembed/);
        return true;
      });
      assert.equal((await vectorColumn(pool)).type, 'vector(3)');
    });
  }

  it('leaves nothing behind where it fails', async () => {
    await pool.query('CREATE INDEX chunks_embedding ON chunks (id)');
    await assert.rejects(ensureEmbeddingSpace(pool, { model: 'one', dimensions: 3 }), /already exists/);
    assert.equal(await readEmbeddingSpace(pool), undefined);
    assert.equal((await vectorColumn(pool)).type, 'vector');
  });

  it('leaves the settings of the connection as they were', async () => {
    const settings = async () => {
      const { rows } = await pool.query(
        `SELECT name, setting FROM pg_settings
          WHERE name IN ('maintenance_work_mem', 'statement_timeout', 'max_parallel_maintenance_workers')`,
      );
      return rows;
    };
    const before = await settings();
    await ensureEmbeddingSpace(pool, { model: 'one', dimensions: 3 });
    assert.deepEqual(await settings(), before);
  });
});

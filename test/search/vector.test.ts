import assert from 'node:assert/strict';
import type pg from 'pg';
import { buildVectorIndex } from '../../src/embeddings/vector-index.ts';
import { transaction } from '../../src/platform/postgres.ts';
import type { Scope } from '../../src/search/scope.ts';
import { EF_SEARCH } from '../../src/search/session-settings.ts';
import { searchByVector } from '../../src/search/vector.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { addDocument, type GivenChunk, randomSource, randomVector, replaceDocument } from './corpus.ts';

const DIMENSIONS = 16;
const DOCUMENTS = 100;
const CHUNKS_OF_ONE = 40;

describe('vector search', function () {
  this.timeout(120_000);
  const random = randomSource(11);
  const anywhere = () => randomVector(random, DIMENSIONS);
  let database: TestDatabase;
  /** Of every tenth document. */
  const tenth = { decile: 3 };

  before(async () => {
    database = await openTestDatabase({ dimensions: DIMENSIONS });
    await database.pool.query('DROP INDEX chunks_embedding');
    for (let index = 0; index < DOCUMENTS; index += 1) {
      const chunks: GivenChunk[] = Array.from({ length: CHUNKS_OF_ONE }, () => ({ text: 'tide', vector: anywhere() }));
      const collection = index % 40 === 0 ? 'small' : 'large';
      await addDocument(database.pool, { collection, metadata: { decile: index % 10, half: index % 2 }, chunks });
    }
    // Row by row into the index would take most of a minute.
    await transaction(database.pool, (client) => buildVectorIndex(client, { dimensions: DIMENSIONS }));
    await database.pool.query('ANALYZE');
  });
  after(() => database.close());

  const find = (vector: Float32Array, scope: Scope = {}, depth = 100) =>
    transaction(database.pool, (client) => searchByVector(client, { vector, scope, depth }));

  /** By looking at each visible chunk. */
  const nearest = async (vector: Float32Array, where: string, depth = 100): Promise<string[]> => {
    const { rows } = await database.pool.query(
      `SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document_id AND d.visible_attempt = c.attempt
       WHERE ${where} ORDER BY (c.embedding <=> $1::vector) + 0 LIMIT $2`,
      [`[${vector.join(',')}]`, depth],
    );
    return rows.map(({ id }) => id);
  };

  /** Part of what is nearest that is found, over some queries. */
  const recall = async (scope: Scope, where: string): Promise<{ recall: number; indexes: string[] }> => {
    let found = 0;
    let all = 0;
    const indexes = new Set<string>();
    for (let query = 0; query < 10; query += 1) {
      const vector = anywhere();
      const { hits, index } = await find(vector, scope);
      const ids = new Set(hits.map(({ chunkId }) => chunkId));
      const right = await nearest(vector, where);
      indexes.add(index);
      found += right.filter((id) => ids.has(id)).length;
      all += right.length;
    }
    return { recall: found / all, indexes: [...indexes] };
  };

  it('finds the nearest through the graph, best first', async () => {
    const { recall: part, indexes } = await recall({}, 'true');
    assert.deepEqual(indexes, ['hnsw']);
    assert.ok(part > 0.97, `recall ${part}`);
    const { hits } = await find(anywhere());
    assert.deepEqual(
      hits,
      hits.toSorted((a, b) => b.score - a.score),
    );
  });

  it('scores by cosine similarity', async () => {
    const vector = anywhere();
    const { documentId } = await addDocument(database.pool, {
      collection: 'two',
      chunks: [
        { text: 'tide', vector: vector.map((value) => -value) },
        { text: 'tide', vector: vector.map((value) => 3 * value) },
      ],
    });
    const { hits } = await find(vector, { collection: 'two' });
    assert.deepEqual(
      hits.map((hit) => [hit.documentId, Math.round(hit.score * 1e5) / 1e5]),
      [
        [documentId, 1],
        [documentId, -1],
      ],
    );
  });

  it('looks at each vector of a small collection, and misses none', async () => {
    assert.deepEqual(await recall({ collection: 'small' }, `d.collection = 'small'`), {
      recall: 1,
      indexes: ['exact'],
    });
  });

  it('looks at each vector of what a filter leaves, where that is little', async () => {
    const where = `d.metadata->>'decile' = '3'`;
    assert.deepEqual(await recall({ filter: tenth }, where), { recall: 1, indexes: ['exact'] });
  });

  it('keeps its recall under filters that leave much', async () => {
    for (const [scope, where] of [
      [{ collection: 'large' }, `d.collection = 'large'`],
      [{ filter: { half: 1 } }, `d.metadata->>'half' = '1'`],
      [{ filter: { decile: [0, 4] } }, `d.metadata->>'decile' IN ('0', '4')`],
    ] as const) {
      const { recall: part, indexes } = await recall(scope, where);
      assert.deepEqual(indexes, ['hnsw'], where);
      assert.ok(part > 0.97, `recall ${part} where ${where}`);
    }
  });

  it('goes on beyond ef_search for as many as it is asked for', async () => {
    const { hits } = await find(anywhere(), { filter: { half: 1 } }, 3 * EF_SEARCH);
    assert.equal(hits.length, 3 * EF_SEARCH);
  });

  it('reads the index, and no other way', async () => {
    const plans = await transaction(database.pool, async (client) => {
      const explained: string[] = [];
      await searchByVector(explaining(client, explained), { vector: anywhere(), scope: {}, depth: 300 });
      await searchByVector(explaining(client, explained), {
        vector: anywhere(),
        scope: { filter: { half: 1 } },
        depth: 300,
      });
      await searchByVector(explaining(client, explained), {
        vector: anywhere(),
        scope: { collection: 'small' },
        depth: 300,
      });
      return explained;
    });
    assert.deepEqual(
      plans.map((plan) => plan.includes('Index Scan using chunks_embedding')),
      [true, true, false],
    );
  });

  it('does not see chunks that are being stored, nor those that were replaced', async () => {
    const vector = anywhere();
    await addDocument(database.pool, { collection: 'other', hidden: true, chunks: [{ text: 'tide', vector }] });
    const old = await addDocument(database.pool, { collection: 'other', chunks: [{ text: 'tide', vector }] });
    await replaceDocument(database.pool, old, [{ text: 'tide', vector: anywhere() }]);
    for (const scope of [{ collection: 'other' }, {}]) {
      const { hits } = await find(vector, scope);
      assert.ok((hits[0]?.score ?? 1) < 0.999);
    }
  });

  it('finds nothing in a collection that does not exist', async () => {
    assert.deepEqual((await find(anywhere(), { collection: 'nowhere' })).hits, []);
  });
});

/** The client, except that it also keeps the plan of each search. */
function explaining(client: pg.PoolClient, plans: string[]): Pick<pg.ClientBase, 'query'> {
  const query = async (text: string, values?: unknown[]) => {
    if (text.includes('ORDER BY (c.embedding')) {
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    }
    return client.query(text, values);
  };
  return { query } as Pick<pg.ClientBase, 'query'>;
}

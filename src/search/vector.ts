import { toSql } from 'pgvector';
import type { Queryable } from '../platform/postgres.ts';
import { bestFirst, type Hit } from './hit.ts';
import { CHUNK_IN_SCOPE, DOCUMENT_IN_SCOPE, type Scope, scopeParameters, VISIBLE_CHUNKS } from './scope.ts';

/** How the nearest vectors were found: through the graph, or by looking at each in the scope. */
export type VectorIndex = 'hnsw' | 'exact';

/**
 * The chunks whose vectors are nearest to the query's; a score is a cosine similarity. For an open
 * transaction, whose settings it changes.
 * @returns at most `depth`, best first.
 */
export async function searchByVector(
  db: Queryable,
  { vector, scope, depth }: { vector: Float32Array; scope: Scope; depth: number },
): Promise<{ hits: Hit[]; index: VectorIndex }> {
  const index = await chooseIndex(db, scope, depth);
  // The planner takes vectors for as cheap to compare as numbers, and would rather sort all of them.
  await db.query(`SET LOCAL enable_sort = ${index === 'hnsw' ? 'off' : 'on'}`);
  const { rows } = await db.query<Hit>(nearest(index), [...scopeParameters(scope), toSql([...vector]), depth]);
  return { hits: bestFirst(rows), index };
}

/**
 * To fill its results from a part p of all chunks, a scan of the graph must read some depth / p of
 * them, and gives up if that is too many; an exact one reads the part. Whichever reads less, wins:
 * exact up to √(depth × all chunks).
 */
async function chooseIndex(db: Queryable, scope: Scope, depth: number): Promise<VectorIndex> {
  const [collection, filter] = scopeParameters(scope);
  if (collection === null && filter === null) return 'hnsw';
  const { rows } = await db.query<{ exact: boolean }>(
    `WITH threshold AS (
       SELECT sqrt($3::float8 * coalesce(sum(chunks), 0)) AS chunks
       FROM (SELECT chunks FROM corpus_totals UNION ALL SELECT chunks FROM corpus_deltas) AS counted
     ), part AS (
       SELECT d.chunks FROM documents d WHERE d.visible_attempt IS NOT NULL AND ${DOCUMENT_IN_SCOPE}
       LIMIT (SELECT chunks::bigint + 1 FROM threshold)
     )
     SELECT coalesce(sum(part.chunks), 0) <= (SELECT chunks FROM threshold) AS exact FROM part`,
    [collection, filter, depth],
  );
  return rows[0]?.exact ? 'exact' : 'hnsw';
}

/**
 * Only a bare `<=>` can be ordered by the index; with 0 added to it, it is calculated for each row.
 * The index gives its rows nearly in order: they are sorted afterwards, not here, where a sort that
 * the planner is told to avoid counts as so dear that it compiles the query first.
 */
const nearest = (index: VectorIndex): string => `
  SELECT c.id AS "chunkId", c.document_id AS "documentId", 1 - (c.embedding <=> $3::vector) AS score
  FROM ${VISIBLE_CHUNKS} WHERE ${CHUNK_IN_SCOPE}
  ORDER BY (c.embedding <=> $3::vector)${index === 'exact' ? ' + 0' : ''} LIMIT $4`;

import { createHash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { toSql } from 'pgvector';
import { type Chunk, type EmbeddingSpace, indexedText, isSameSpace } from '../documents/job.ts';
import { transaction } from '../platform/postgres.ts';
import type { Embedder } from './embedder.ts';
import { assertIndexable, ensureEmbeddingSpace, readEmbeddingSpace } from './space.ts';
import { buildVectorIndex, INDEX_BUILD_MS } from './vector-index.ts';

export interface ReembedOptions {
  pool: Pool;
  embedder: Embedder;
  /** Called after each batch: chunks that have their new vector, of all there are. */
  onProgress?: (progress: { done: number; total: number }) => void;
  signal?: AbortSignal;
}

/** Texts of one call to the embedder, and rows of one UPDATE. */
const BATCH = 64;

/**
 * Embeds every chunk anew and makes the database one of the embedder's vectors. Searches go on with the old vectors
 * until all new ones are there; stop what stores documents, as it would go on with the old model. Stopped at any
 * moment, it goes on from there when it is run again with the same embedder. Never holds a connection while it embeds.
 * @throws EmbeddingError, or EmbeddingSpaceError for vectors that are too wide for an index.
 */
export async function reembed(options: ReembedOptions): Promise<void> {
  const { pool, embedder, signal } = options;
  const space = { model: embedder.model, dimensions: await embedder.probe(signal) };
  embedder.space.settle(space.dimensions);
  assertIndexable(space);
  const held = await readEmbeddingSpace(pool);
  if (held === undefined || isSameSpace(held, space)) return ensureEmbeddingSpace(pool, space);
  const column = nextColumn(space);
  await transaction(pool, (client) => addColumn(client, column, space), { statementMs: INDEX_BUILD_MS });
  do {
    await fillColumn(column, options);
    // False where chunks were stored since: they come next.
  } while (!(await transaction(pool, (client) => swapColumns(client, column, space), { statementMs: INDEX_BUILD_MS })));
}

/** The space is in the name, so that a run goes on with the vectors of its own model or begins anew. */
function nextColumn({ model, dimensions }: EmbeddingSpace): string {
  const space = createHash('sha256').update(`${dimensions} ${model}`).digest('hex');
  return `embedding_next_${space.slice(0, 12)}`;
}

/** Adds the column of this run where it is not there yet, and drops what other runs have left. */
async function addColumn(client: PoolClient, column: string, { dimensions }: EmbeddingSpace): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute
      WHERE attrelid = 'chunks'::regclass AND NOT attisdropped AND attname ~ '^embedding_next_' AND attname <> $1`,
    [column],
  );
  for (const { name } of rows) await client.query(`ALTER TABLE chunks DROP COLUMN ${client.escapeIdentifier(name)}`);
  await client.query(`ALTER TABLE chunks ADD COLUMN IF NOT EXISTS ${column} vector(${dimensions})`);
}

/** Embeds the chunks that have no new vector yet, in the order of their ids. */
async function fillColumn(column: string, { pool, embedder, onProgress, signal }: ReembedOptions): Promise<void> {
  const { rows } = await pool.query<{ done: number; total: number }>(
    `SELECT count(${column})::int AS done, count(*)::int AS total FROM chunks`,
  );
  let { done, total } = rows[0] ?? { done: 0, total: 0 };
  onProgress?.({ done, total });
  for await (const batch of chunksWithout(column, pool)) {
    signal?.throwIfAborted();
    const vectors = await embedder.embed(batch.map(indexedText), { purpose: 'document', ...(signal && { signal }) });
    await pool.query(
      `UPDATE chunks SET ${column} = new.embedding::vector
         FROM unnest($1::bigint[], $2::text[]) AS new(id, embedding) WHERE chunks.id = new.id`,
      [batch.map(({ id }) => id), vectors.map((vector) => toSql([...vector]))],
    );
    done += batch.length;
    total = Math.max(total, done);
    onProgress?.({ done, total });
  }
}

type ChunkRow = Pick<Chunk, 'text' | 'headings'> & { id: string };

async function* chunksWithout(column: string, pool: Pool): AsyncGenerator<ChunkRow[]> {
  for (let after = '0'; ; ) {
    const { rows } = await pool.query<ChunkRow>(
      `SELECT id, text, headings FROM chunks WHERE ${column} IS NULL AND id > $1 ORDER BY id LIMIT $2`,
      [after, BATCH],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = last.id;
  }
}

/** Puts the new vectors in the place of the old, with an index of their own; not if some are missing. */
async function swapColumns(
  client: PoolClient,
  column: string,
  { model, dimensions }: EmbeddingSpace,
): Promise<boolean> {
  await client.query('LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE');
  const { rowCount: missing } = await client.query(`SELECT 1 FROM chunks WHERE ${column} IS NULL LIMIT 1`);
  if (missing) return false;
  // Its index goes with it.
  await client.query('ALTER TABLE chunks DROP COLUMN embedding');
  await client.query(`ALTER TABLE chunks RENAME COLUMN ${column} TO embedding`);
  await client.query('ALTER TABLE chunks ALTER COLUMN embedding SET NOT NULL');
  await buildVectorIndex(client, { dimensions });
  await client.query('UPDATE embedding_space SET model = $1, dimensions = $2', [model, dimensions]);
  return true;
}

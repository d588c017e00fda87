import type { Pool } from 'pg';
import { type EmbeddingSpace, isSameSpace } from '../documents/job.ts';
import { type Queryable, transaction } from '../platform/postgres.ts';
import type { Embedder } from './embedder.ts';
import { buildVectorIndex, INDEX_BUILD_MS, MAX_INDEXED_DIMENSIONS } from './vector-index.ts';

/** The database can't take the vectors of the configured model. The message says what to do. */
export class EmbeddingSpaceError extends Error {
  override readonly name = 'EmbeddingSpaceError';
  readonly code = 'EMBEDDING_SPACE';
}

/**
 * Makes a new database one of the embedder's vectors: writes down the model, gives the column its width and builds
 * the HNSW index. Does nothing where that is done. Several processes may do it at once.
 * @throws EmbeddingSpaceError where the database holds vectors of another model or width, or the width is too large.
 */
export async function ensureEmbeddingSpace(pool: Pool, { model, dimensions }: EmbeddingSpace): Promise<void> {
  assertIndexable({ model, dimensions });
  await transaction(
    pool,
    async (client) => {
      // Whoever comes second waits here, and then finds the row.
      await client.query('LOCK TABLE embedding_space IN SHARE ROW EXCLUSIVE MODE');
      const held = await readEmbeddingSpace(client);
      if (held === undefined) {
        await client.query('INSERT INTO embedding_space (model, dimensions) VALUES ($1, $2)', [model, dimensions]);
        await client.query(`ALTER TABLE chunks ALTER COLUMN embedding TYPE vector(${dimensions})`);
        await buildVectorIndex(client, { dimensions });
      } else if (!isSameSpace(held, { model, dimensions })) {
        throw new EmbeddingSpaceError(
          `The database holds vectors of ${describe(held)}, but ${describe({ model, dimensions })} is configured. ` +
            'Configure the former, or run `npm run reembed` to embed all documents anew.',
        );
      }
    },
    { statementMs: INDEX_BUILD_MS },
  );
}

/**
 * Puts the database and the embedder in one space, as soon as anything says how wide its vectors are: an answer of the
 * model, the settings, or the database.
 * @param seen width of a vector that the model has given.
 * @throws EmbeddingSpaceError as `ensureEmbeddingSpace` does.
 */
export async function settleEmbeddingSpace(pool: Pool, { model, space }: Embedder, seen?: number): Promise<void> {
  const dimensions = seen ?? space.current?.dimensions ?? (await readEmbeddingSpace(pool))?.dimensions;
  if (dimensions === undefined) return;
  await ensureEmbeddingSpace(pool, { model, dimensions });
  space.settle(dimensions);
}

/** The space of the vectors that the database holds; undefined where it has never been used. */
export async function readEmbeddingSpace(db: Queryable): Promise<EmbeddingSpace | undefined> {
  const { rows } = await db.query<EmbeddingSpace>('SELECT model, dimensions FROM embedding_space');
  return rows[0];
}

/** @throws EmbeddingSpaceError for vectors that are too wide for an HNSW index. */
export function assertIndexable({ model, dimensions }: EmbeddingSpace): void {
  // Also what makes it safe to write the number into DDL, which takes no parameters.
  if (Number.isInteger(dimensions) && dimensions > 0 && dimensions <= MAX_INDEXED_DIMENSIONS) return;
  throw new EmbeddingSpaceError(
    `${describe({ model, dimensions })} can't be indexed: at most ${MAX_INDEXED_DIMENSIONS} dimensions can. ` +
      'Set EMBEDDING_DIMENSIONS, if the model can give shorter vectors, or choose another model.',
  );
}

function describe({ model, dimensions }: EmbeddingSpace): string {
  return `${model} with ${dimensions} dimensions`;
}

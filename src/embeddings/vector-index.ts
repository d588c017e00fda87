import type { PoolClient } from 'pg';

/** Longest time that the index of a large database may take, in ms: a day. */
export const INDEX_BUILD_MS = 24 * 60 * 60_000;

/** The most that pgvector indexes of a `vector`. */
export const MAX_INDEXED_DIMENSIONS = 2000;

/**
 * Builds the HNSW index of `chunks.embedding`, for cosine distance, within the client's open transaction.
 * Inserting row by row into an index takes some 20 times as long as building it over what is there.
 */
export async function buildVectorIndex(client: PoolClient, { dimensions }: { dimensions: number }): Promise<void> {
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM chunks');
  // The graph is built in memory as long as it fits, and several times slower beyond.
  await client.query(
    `SELECT set_config('maintenance_work_mem', $1, true)
      WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes($1)`,
    [`${megabytesOfGraph(Number(rows[0]?.count ?? 0), dimensions)}MB`],
  );
  // A parallel build takes all of that as shared memory at once, of which containers get 64 MB.
  await client.query('SET LOCAL max_parallel_maintenance_workers = 0');
  await client.query('CREATE INDEX chunks_embedding ON chunks USING hnsw (embedding vector_cosine_ops)');
}

/** A node is its vector, and about a kilobyte of links. At most 1 GB: it is taken from the server's other work. */
function megabytesOfGraph(nodes: number, dimensions: number): number {
  const needed = Math.ceil((nodes * (4 * dimensions + 1024)) / 1024 ** 2);
  return Math.min(Math.max(needed, 64), 1024);
}

import type pg from 'pg';

/** Takes a database back to what the migrations leave: no documents, and no embedding model used yet. */
export async function makeUnused(pool: pg.Pool): Promise<void> {
  await pool.query('TRUNCATE documents, chunks RESTART IDENTITY CASCADE');
  await pool.query('DELETE FROM embedding_space');
  await pool.query('DROP INDEX IF EXISTS chunks_embedding');
  await pool.query('ALTER TABLE chunks ALTER COLUMN embedding TYPE vector');
  for (const column of await columnsNamed(pool, 'embedding_next_')) {
    await pool.query(`ALTER TABLE chunks DROP COLUMN ${column}`);
  }
}

/** Columns of `chunks` whose names start with `prefix`. */
export async function columnsNamed(pool: pg.Pool, prefix: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
      WHERE table_name = 'chunks' AND starts_with(column_name, $1)`,
    [prefix],
  );
  return rows.map(({ name }) => name);
}

/** The type of `chunks.embedding`, and the definition of its index. */
export async function vectorColumn(pool: pg.Pool): Promise<{ type: string; index: string | undefined }> {
  const { rows } = await pool.query<{ type: string }>(
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = 'chunks'::regclass AND attname = 'embedding'`,
  );
  const { rows: indexes } = await pool.query<{ indexdef: string }>(
    `SELECT indexdef FROM pg_indexes WHERE indexname = 'chunks_embedding'`,
  );
  return { type: rows[0]?.type ?? 'none', index: indexes[0]?.indexdef.replace(/^.* USING /, '') };
}

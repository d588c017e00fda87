import type pg from 'pg';
import type { Task } from '../platform/housekeeping.ts';
import { asLeader } from '../platform/leader.ts';
import type { Queryable } from '../platform/postgres.ts';

/** The chunks of one attempt at a document. */
export interface AttemptChunks {
  documentId: string;
  attempt: number;
}

/** Any number that no one else in this database uses as an advisory lock. */
const FOLD_LOCK = 7_204_412;

/** Deltas of one fold: some tens of milliseconds, as an embedded Postgres has only one connection. */
const FOLD_BATCH = 5_000;

/** Counts the chunks of an attempt into the corpus. For the transaction that makes them visible. */
export function addToCorpus(client: Queryable, chunks: AttemptChunks): Promise<void> {
  return appendDeltas(client, chunks, 1);
}

/** Counts them out again. For the transaction that hides or deletes them, before it does. */
export function removeFromCorpus(client: Queryable, chunks: AttemptChunks): Promise<void> {
  return appendDeltas(client, chunks, -1);
}

async function appendDeltas(client: Queryable, { documentId, attempt }: AttemptChunks, sign: 1 | -1): Promise<void> {
  await client.query(
    `INSERT INTO corpus_deltas (collection, chunks, length)
     SELECT collection, $3 * count(*), $3 * sum(length) FROM chunks
     WHERE document_id = $1 AND attempt = $2 GROUP BY collection`,
    [documentId, attempt, sign],
  );
  await client.query(
    `INSERT INTO lexeme_deltas (lexeme, collection, chunks)
     SELECT u.lexeme, c.collection, $3 * count(*) FROM chunks c, unnest(c.lexemes) AS u
     WHERE c.document_id = $1 AND c.attempt = $2 GROUP BY u.lexeme, c.collection`,
    [documentId, attempt, sign],
  );
}

/**
 * Moves some deltas into the totals. Readers never see one without the other; where another process
 * is at it, nothing is done.
 * @returns how many deltas were moved. As long as there are any, more may be waiting.
 */
export async function foldCorpusDeltas(pool: pg.Pool): Promise<number> {
  const fold = async (client: pg.PoolClient) => (await foldCorpus(client)) + (await foldLexemes(client));
  return (await asLeader(pool, FOLD_LOCK, fold)) ?? 0;
}

/** Keeps the deltas few: readers add them up. */
export const foldTask = (pool: pg.Pool): Task => ({
  name: 'fold corpus statistics',
  everyMs: 2_000,
  run: () => foldCorpusDeltas(pool),
});

async function foldCorpus(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ folded: number }>(
    `WITH taken AS (
       DELETE FROM corpus_deltas WHERE id IN (SELECT id FROM corpus_deltas ORDER BY id LIMIT $1)
       RETURNING collection, chunks, length
     ), folded AS (
       INSERT INTO corpus_totals AS t (collection, chunks, length)
       SELECT collection, sum(chunks), sum(length) FROM taken GROUP BY collection
       ON CONFLICT (collection) DO UPDATE SET chunks = t.chunks + excluded.chunks, length = t.length + excluded.length
     )
     SELECT count(*)::int AS folded FROM taken`,
    [FOLD_BATCH],
  );
  const folded = rows[0]?.folded ?? 0;
  if (folded > 0) await client.query('DELETE FROM corpus_totals WHERE chunks = 0 AND length = 0');
  return folded;
}

async function foldLexemes(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ folded: number; spent: { lexeme: string; collection: string }[] }>(
    `WITH taken AS (
       DELETE FROM lexeme_deltas WHERE id IN (SELECT id FROM lexeme_deltas ORDER BY id LIMIT $1)
       RETURNING lexeme, collection, chunks
     ), folded AS (
       INSERT INTO lexeme_totals AS t (lexeme, collection, chunks)
       SELECT lexeme, collection, sum(chunks) FROM taken GROUP BY lexeme, collection
       ON CONFLICT (lexeme, collection) DO UPDATE SET chunks = t.chunks + excluded.chunks
       RETURNING lexeme, collection, chunks
     )
     SELECT (SELECT count(*) FROM taken)::int AS folded, coalesce(
       (SELECT jsonb_agg(jsonb_build_object('lexeme', lexeme, 'collection', collection)) FROM folded WHERE chunks = 0),
       '[]') AS spent`,
    [FOLD_BATCH],
  );
  const { folded, spent } = rows[0] ?? { folded: 0, spent: [] };
  // One statement can't delete what it has just written.
  if (spent.length > 0)
    await client.query(
      `DELETE FROM lexeme_totals USING jsonb_to_recordset($1::jsonb) AS spent(lexeme text, collection text)
       WHERE lexeme_totals.lexeme = spent.lexeme AND lexeme_totals.collection = spent.collection`,
      [JSON.stringify(spent)],
    );
  return folded;
}

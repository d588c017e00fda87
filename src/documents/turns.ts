import type pg from 'pg';
import { errorType } from '../platform/errors.ts';
import { type AttemptPolicy, IS_DUE } from './attempts.ts';
import type { DocumentRow } from './document.ts';
import type { Lane } from './formats.ts';
import { type Claimed, CONTRACT } from './job.ts';

/** Who asks for the next document of a lane. */
export interface TurnRequest {
  lane: Lane;
  worker: string;
  /** Of the job, or of whatever else asks: asked again, it is answered the same. */
  ticket: string;
  /** The document that the job was for: taken if it is its owner's turn. */
  documentId?: string | undefined;
  /** Not these documents. */
  holding?: readonly string[] | undefined;
  /** Nothing of these keys. */
  exceptOwners?: readonly string[] | undefined;
  /** Nothing of these collections of keys. */
  exceptShares?: readonly { owner: string; collection: string }[] | undefined;
}

/** More than can lose one race after the other. */
const MAX_TRIES = 10;

/**
 * Hands the document whose turn it is to a worker, and counts the attempt before any work is done: a document that
 * kills its worker has used it up. The turn is that of the key with the fewest documents in the works, of its
 * collection with the fewest, then of whoever has not been served for longest; within a collection, the first comes first.
 * @returns undefined where nothing waits that may be worked on now.
 */
export async function takeTurn(
  pool: pg.Pool,
  request: TurnRequest,
  policy: AttemptPolicy,
): Promise<Claimed | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const rows = await take(pool, [
      request.lane,
      request.worker,
      request.ticket,
      request.documentId,
      request.exceptOwners ?? [],
      request.exceptShares?.map(({ owner }) => owner) ?? [],
      request.exceptShares?.map(({ collection }) => collection) ?? [],
      policy.leaseMs / 1000,
      request.holding ?? [],
    ]);
    const [found] = rows;
    if (found?.id) return claimedOf(found as Found, policy);
    // Another worker may have been faster.
    if (!found?.chosen) return undefined;
  }
  return undefined;
}

type Found = DocumentRow & { chosen: boolean };

/** Where two with the same ticket come at once, the second finds what the first was given when it asks again. */
async function take(pool: pg.Pool, parameters: unknown[]): Promise<Partial<Found>[]> {
  try {
    return (await pool.query<Found>(TAKE, parameters)).rows;
  } catch (error) {
    if (errorType(error) !== '23505') throw error;
    return [{ chosen: true }];
  }
}

/** A line is what waits of one collection of one key. Their heads are found by jumping through an index. */
const TAKE = `
  WITH RECURSIVE had AS (
    SELECT d.* FROM attempts a JOIN documents d ON d.id = a.document_id AND d.last_attempt = a.number
    WHERE a.ticket = $3 AND a.worker = $2 AND a.ended_at IS NULL AND d.status = 'processing'
  ), line AS (
    (SELECT owner, collection FROM documents WHERE status = 'queued' AND lane = $1 ORDER BY owner, collection LIMIT 1)
    UNION ALL
    SELECT next.* FROM line CROSS JOIN LATERAL (
      SELECT d.owner, d.collection FROM documents d
      WHERE d.status = 'queued' AND d.lane = $1 AND (d.owner, d.collection) > (line.owner, line.collection)
      ORDER BY d.owner, d.collection LIMIT 1) next
  ), in_works AS (
    SELECT owner, collection, count(*) AS documents FROM documents WHERE status = 'processing' AND lane = $1
    GROUP BY owner, collection
  ), turn AS (
    SELECT line.owner, line.collection, head.id FROM line
    CROSS JOIN LATERAL (
      SELECT id, queued_at FROM documents d
      WHERE d.status = 'queued' AND d.lane = $1 AND d.owner = line.owner AND d.collection = line.collection AND ${IS_DUE}
        AND NOT d.id = ANY($9::uuid[])
      ORDER BY queued_at LIMIT 1) head
    LEFT JOIN turns t ON t.lane = $1 AND t.owner = line.owner AND t.collection = line.collection
    WHERE NOT line.owner = ANY($5::text[])
      AND NOT EXISTS (SELECT 1 FROM unnest($6::text[], $7::text[]) AS e(owner, collection)
        WHERE e.owner = line.owner AND e.collection = line.collection)
    ORDER BY (SELECT coalesce(sum(documents), 0) FROM in_works w WHERE w.owner = line.owner),
      (SELECT coalesce(sum(documents), 0) FROM in_works w WHERE w.owner = line.owner AND w.collection = line.collection),
      t.served_at NULLS FIRST, head.queued_at
    LIMIT 1
  ), chosen AS (
    SELECT coalesce((SELECT d.id FROM documents d WHERE d.id = $4 AND d.status = 'queued' AND d.lane = $1
      AND d.owner = turn.owner AND d.collection = turn.collection AND ${IS_DUE} AND NOT d.id = ANY($9::uuid[])), turn.id) AS id
    FROM turn WHERE NOT EXISTS (SELECT 1 FROM had)
  ), claimed AS (
    UPDATE documents SET status = 'processing', stage = 'fetch', percent = 0, attempts = attempts + 1,
      last_attempt = last_attempt + 1, lease_until = now() + make_interval(secs => $8::float8), updated_at = now(),
      queued_ms = coalesce(queued_ms, greatest(0, extract(epoch FROM now() - queued_at) * 1000))
    WHERE id = (SELECT id FROM chosen) AND status = 'queued'
    RETURNING *
  ), attempt AS (
    INSERT INTO attempts (document_id, number, worker, ticket) SELECT id, last_attempt, $2, $3 FROM claimed
  ), served AS (
    INSERT INTO turns (lane, owner, collection, served_at) SELECT lane, owner, collection, clock_timestamp() FROM claimed
    ON CONFLICT (lane, owner, collection) DO UPDATE SET served_at = excluded.served_at
  )
  SELECT d.*, EXISTS (SELECT 1 FROM chosen) AS chosen
  FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM claimed UNION ALL SELECT * FROM had) AS d ON true`;

const claimedOf = (row: DocumentRow, policy: AttemptPolicy): Claimed => ({
  documentId: row.id,
  attempt: row.last_attempt,
  name: row.name,
  format: row.format,
  bytes: Number(row.bytes),
  leaseMs: policy.leaseMs,
  contract: CONTRACT,
  owner: row.owner,
  collection: row.collection,
  traceContext: row.trace_context,
});

/** Forgets whose turn it was long ago. */
export async function sweepTurns(pool: pg.Pool): Promise<number> {
  const { rowCount } = await pool.query(`DELETE FROM turns WHERE served_at < now() - interval '1 day'`);
  return rowCount ?? 0;
}

import type pg from 'pg';
import { DomainError } from '../platform/errors.ts';
import { type Queryable, transaction } from '../platform/postgres.ts';
import type { DocumentRow } from './document.ts';
import type { Claim, Claimed, Failure, ProcessingErrorCode, Progress } from './job.ts';

/** How attempts are dealt out. */
export interface AttemptPolicy {
  maxAttempts: number;
  /** An attempt is its worker's for this long after each sign of life. */
  leaseMs: number;
  /** Failures of the surroundings cost no attempt, but not for longer than this after the run started. */
  patienceMs: number;
}

/** Which attempt of which document. */
export interface AttemptId {
  documentId: string;
  attempt: number;
}

const LEASE = `now() + make_interval(secs => `;

/**
 * Hands a queued document to a worker and counts the attempt, before any work is done: a document
 * that kills its worker has used it up. Asking again for what one has already is answered the same.
 * @throws DomainError `NOT_FOUND` if the document is gone, `CONFLICT` if it is not this job's turn.
 */
export async function claimAttempt(
  pool: pg.Pool,
  documentId: string,
  claim: Claim,
  policy: AttemptPolicy,
): Promise<Claimed> {
  const { rows } = await pool.query<DocumentRow>(
    `WITH claimed AS (
       UPDATE documents SET status = 'processing', stage = 'fetch', percent = 0, attempts = attempts + 1, last_attempt = $2,
         lease_until = ${LEASE} $4::float8), updated_at = now(),
         queued_ms = coalesce(queued_ms, extract(epoch FROM now() - queued_at) * 1000)
       WHERE id = $1 AND status = 'queued' AND last_attempt = $2 - 1
       RETURNING *
     ), attempt AS (
       INSERT INTO attempts (document_id, number, worker) SELECT id, last_attempt, $3 FROM claimed
     )
     SELECT * FROM claimed
     UNION ALL
     SELECT d.* FROM documents d JOIN attempts a ON a.document_id = d.id AND a.number = $2
     WHERE d.id = $1 AND d.status = 'processing' AND d.last_attempt = $2 AND a.worker = $3`,
    [documentId, claim.attempt, claim.worker, policy.leaseMs / 1000],
  );
  const row = rows[0];
  if (!row) throw await refusal(pool, documentId);
  return {
    documentId,
    attempt: claim.attempt,
    name: row.name,
    format: row.format,
    bytes: Number(row.bytes),
    leaseMs: policy.leaseMs,
  };
}

/** Why an attempt is not, or no longer, the caller's. */
export async function refusal(db: Queryable, documentId: string): Promise<DomainError> {
  const { rowCount } = await db.query('SELECT 1 FROM documents WHERE id = $1', [documentId]);
  return rowCount
    ? new DomainError('CONFLICT', 'The attempt is not, or no longer, yours. Drop it.')
    : new DomainError('NOT_FOUND', 'The document is gone. Drop it.');
}

/**
 * Takes a sign of life, which renews the lease.
 * @throws DomainError as `claimAttempt` does: the worker must stop.
 */
export async function recordProgress(
  db: Queryable,
  id: AttemptId,
  progress: Progress,
  policy: AttemptPolicy,
): Promise<void> {
  const { rowCount } = await db.query(
    `UPDATE documents SET stage = $3, percent = $4, lease_until = ${LEASE} $5::float8),
       updated_at = CASE WHEN stage IS DISTINCT FROM $3 OR percent <> $4 THEN now() ELSE updated_at END
     WHERE id = $1 AND status = 'processing' AND last_attempt = $2`,
    [id.documentId, id.attempt, progress.stage, progress.percent, policy.leaseMs / 1000],
  );
  if (!rowCount) throw await refusal(db, id.documentId);
}

/** What became of a document after an attempt that did not complete it. */
export type AfterFailure = Pick<
  DocumentRow,
  'id' | 'status' | 'last_attempt' | 'not_before' | 'error_code' | 'format' | 'lane' | 'trace_context' | 'trace_id'
>;

/**
 * Ends an attempt that failed: the document is queued again, or failed for good.
 * @throws DomainError as `claimAttempt` does: somebody else has the document now.
 */
export function failAttempt(
  pool: pg.Pool,
  id: AttemptId,
  failure: Failure,
  policy: AttemptPolicy,
): Promise<AfterFailure> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<DocumentRow & { run_ms: number }>(
      `SELECT *, extract(epoch FROM now() - queued_at) * 1000 AS run_ms FROM documents
       WHERE id = $1 AND status = 'processing' AND last_attempt = $2 FOR UPDATE`,
      [id.documentId, id.attempt],
    );
    const row = rows[0];
    if (!row) throw await refusal(client, id.documentId);
    const excused = failure.surroundings && row.run_ms < policy.patienceMs;
    const again = failure.retryable && (excused || row.attempts < policy.maxAttempts);
    await closeAttempt(client, id, { outcome: 'failed', code: failure.code });
    return again
      ? requeue(client, id.documentId, {
          delayMs: Math.max(failure.retryAfterMs ?? 0, backoffMs(row.attempts)),
          refund: excused,
        })
      : giveUp(client, id.documentId, failure);
  });
}

/** Takes back an attempt that its worker hands over unfinished, as when it shuts down. It is not counted. */
export function releaseAttempt(pool: pg.Pool, id: AttemptId): Promise<AfterFailure> {
  return transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `SELECT 1 FROM documents WHERE id = $1 AND status = 'processing' AND last_attempt = $2 FOR UPDATE`,
      [id.documentId, id.attempt],
    );
    if (!rowCount) throw await refusal(client, id.documentId);
    await closeAttempt(client, id, { outcome: 'abandoned' });
    return requeue(client, id.documentId, { delayMs: 0, refund: true });
  });
}

/** Ends attempts whose worker has given no sign of life in time. For the reconciler's transaction. */
export async function reapExpired(client: pg.PoolClient, policy: AttemptPolicy): Promise<AfterFailure[]> {
  const { rows } = await client.query<DocumentRow>(
    `SELECT * FROM documents WHERE status = 'processing' AND lease_until < now()
     ORDER BY lease_until LIMIT 100 FOR UPDATE SKIP LOCKED`,
  );
  const ended: AfterFailure[] = [];
  for (const row of rows) {
    await closeAttempt(
      client,
      { documentId: row.id, attempt: row.last_attempt },
      { outcome: 'lost', code: 'WORKER_CRASHED' },
    );
    ended.push(
      row.attempts < policy.maxAttempts
        ? await requeue(client, row.id, { delayMs: 0, refund: false })
        : await giveUp(client, row.id, {
            code: 'WORKER_CRASHED',
            message: `The worker died or went silent while it processed this document, ${row.attempts} times in a row.`,
          }),
    );
  }
  return ended;
}

async function closeAttempt(
  client: pg.PoolClient,
  id: AttemptId,
  end: { outcome: 'failed' | 'lost' | 'abandoned'; code?: ProcessingErrorCode },
): Promise<void> {
  await client.query(
    'UPDATE attempts SET ended_at = now(), outcome = $3, error_code = $4 WHERE document_id = $1 AND number = $2',
    [id.documentId, id.attempt, end.outcome, end.code],
  );
  await client.query('DELETE FROM chunks WHERE document_id = $1 AND attempt = $2', [id.documentId, id.attempt]);
}

async function requeue(
  client: pg.PoolClient,
  id: string,
  options: { delayMs: number; refund: boolean },
): Promise<AfterFailure> {
  const { rows } = await client.query<AfterFailure>(
    `UPDATE documents SET status = 'queued', stage = NULL, percent = 0, lease_until = NULL, updated_at = now(), enqueued_at = now(),
       not_before = now() + make_interval(secs => $2::float8), attempts = attempts - $3
     WHERE id = $1 RETURNING *`,
    [id, options.delayMs / 1000, options.refund ? 1 : 0],
  );
  return one(rows);
}

async function giveUp(
  client: pg.PoolClient,
  id: string,
  error: { code: ProcessingErrorCode; message: string },
): Promise<AfterFailure> {
  const { rows } = await client.query<AfterFailure>(
    `UPDATE documents SET status = 'failed', stage = NULL, lease_until = NULL, updated_at = now(), completed_at = now(),
       error_code = $2, error_message = $3, total_ms = extract(epoch FROM now() - queued_at) * 1000
     WHERE id = $1 RETURNING *`,
    [id, error.code, error.message],
  );
  return one(rows);
}

function one<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('a row that was locked is gone');
  return row;
}

/** 1, 2, 4 … 60 s, each with up to half as much again, so that many do not come back as one. */
const backoffMs = (attempts: number): number =>
  Math.min(60_000, 1000 * 2 ** Math.max(0, attempts - 1)) * (1 + Math.random() / 2);

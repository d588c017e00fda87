import type pg from 'pg';
import { LONG_STATEMENT_MS, transaction } from '../platform/postgres.ts';
import { traceHeaders } from '../platform/trace-context.ts';
import { type AttemptId, type AttemptPolicy, LONGEST_BACKOFF_MS, refusal, resumeAttempt } from './attempts.ts';
import type { DocumentRow } from './document.ts';
import type { Failure, ProcessingErrorCode } from './job.ts';
import type { OpenAttempt } from './silence.ts';

/** Losses of a run after which each counts, wherever it happened. */
const MAX_SCATTERED_LOSSES = 10;
/**
 * Attempts of a run that failures of the surroundings may take. Workers wait while their provider is away, so that so
 * many are a sign of a document that no provider takes.
 */
const MAX_EXCUSED = 50;
/** Losses within so many percent of each other happened at the same place. */
const SAME_PLACE_PERCENT = 2;

/** What became of a document after an attempt that did not complete it. */
export type AfterFailure = Pick<
  DocumentRow,
  'id' | 'status' | 'last_attempt' | 'error_code' | 'format' | 'lane' | 'trace_context' | 'requested_by' | 'trace_id'
> & {
  /** Whether the attempt counted. */
  counted: boolean;
  /** Queued, and may be worked on at once. */
  is_due: boolean;
};

/**
 * Ends an attempt that failed: the document is queued again, or failed for good.
 * @throws DomainError `NOT_FOUND` if the document is gone, `CONFLICT` if somebody else has it now.
 */
export function failAttempt(
  pool: pg.Pool,
  id: AttemptId,
  failure: Failure,
  policy: AttemptPolicy,
): Promise<AfterFailure> {
  return endOwnAttempt(pool, id, policy, async (client, row) => {
    const excused = failure.surroundings && failure.retryable && row.attempts_of_run < MAX_EXCUSED;
    const counted = !excused;
    await closeAttempt(client, id, { outcome: 'failed', code: failure.code, counted });
    if (!failure.retryable || (counted && row.attempts >= policy.maxAttempts))
      return giveUp(client, id.documentId, failure);
    const delayMs = Math.min(LONGEST_BACKOFF_MS, Math.max(failure.retryAfterMs ?? 0, backoffMs(row.attempts_of_run)));
    return requeue(client, id.documentId, { delayMs, counted });
  });
}

/** Takes back an attempt that its worker hands over unfinished, as when it shuts down. It is not counted. */
export function releaseAttempt(pool: pg.Pool, id: AttemptId, policy: AttemptPolicy): Promise<AfterFailure> {
  return endOwnAttempt(pool, id, policy, async (client) => {
    await closeAttempt(client, id, { outcome: 'abandoned', counted: false });
    return requeue(client, id.documentId, { delayMs: 0, counted: false });
  });
}

type LockedRow = DocumentRow & { attempts_of_run: number };

/** Runs `end` in one transaction on the document of an attempt that is, or is again, its worker's. */
async function endOwnAttempt(
  pool: pg.Pool,
  id: AttemptId,
  policy: AttemptPolicy,
  end: (client: pg.PoolClient, row: LockedRow) => Promise<AfterFailure>,
): Promise<AfterFailure> {
  const ended = await transaction(
    pool,
    async (client) => {
      const lock = () =>
        client.query<LockedRow>(
          `SELECT *, (SELECT count(*)::int FROM attempts a WHERE a.document_id = d.id AND a.started_at >= d.queued_at) AS attempts_of_run
         FROM documents d WHERE id = $1 AND status = 'processing' AND last_attempt = $2 FOR UPDATE`,
          [id.documentId, id.attempt],
        );
      let { rows } = await lock();
      if (rows.length === 0 && (await resumeAttempt(client, id, policy))) ({ rows } = await lock());
      return rows[0] && end(client, rows[0]);
    },
    { statementMs: LONG_STATEMENT_MS },
  );
  if (!ended) throw await refusal(pool, id);
  return ended;
}

/**
 * Ends attempts whose workers have fallen silent. Of the losses of a run those count that followed each other at one and
 * the same place: a document that kills its workers does so there. Others are a worker's bad luck, such as restarts of its
 * machine, of which a long document meets many.
 * @returns those that were ended: not one that gave a sign of life just now.
 */
export async function endLostAttempts(
  pool: pg.Pool,
  silent: readonly OpenAttempt[],
  policy: AttemptPolicy,
): Promise<AfterFailure[]> {
  const ended: AfterFailure[] = [];
  const limits = { statementMs: LONG_STATEMENT_MS };
  for (const open of silent) {
    const after = await transaction(pool, (client) => endLostAttempt(client, open, policy), limits);
    if (after) ended.push(after);
  }
  return ended;
}

async function endLostAttempt(
  client: pg.PoolClient,
  open: OpenAttempt,
  policy: AttemptPolicy,
): Promise<AfterFailure | undefined> {
  const { rows } = await client.query<DocumentRow & { losses: number; last_elsewhere: number | null }>(
    `SELECT d.*, l.* FROM documents d CROSS JOIN LATERAL (
       SELECT count(*)::int AS losses, max(a.number) FILTER (WHERE abs(a.lost_percent - d.percent) > $4) AS last_elsewhere
       FROM attempts a WHERE a.document_id = d.id AND a.outcome = 'lost' AND a.started_at >= d.queued_at
     ) l WHERE id = $1 AND status = 'processing' AND last_attempt = $2 AND lease_until::text = $3
     FOR UPDATE OF d SKIP LOCKED`,
    [open.documentId, open.attempt, open.lease, SAME_PLACE_PERCENT],
  );
  const row = rows[0];
  if (!row) return undefined;
  await closeAttempt(client, open, {
    outcome: 'lost',
    code: 'WORKER_CRASHED',
    counted: true,
    lostPercent: row.percent,
  });
  const refunded =
    row.last_elsewhere === null || row.losses >= MAX_SCATTERED_LOSSES
      ? 0
      : await refundLosses(client, row.id, row.last_elsewhere);
  const attempts = row.attempts - refunded;
  if (attempts < policy.maxAttempts) return requeue(client, row.id, { delayMs: 0, counted: true });
  return giveUp(client, row.id, {
    code: 'WORKER_CRASHED',
    message: `The worker died or went silent while it processed this document, ${attempts} times.`,
  });
}

/** Takes the losses of a run, up to one of them, off what a document has had. */
async function refundLosses(client: pg.PoolClient, documentId: string, upTo: number): Promise<number> {
  const { rows } = await client.query<{ refunded: number }>(
    `WITH refunded AS (
       UPDATE attempts a SET counted = false FROM documents d
       WHERE d.id = $1 AND a.document_id = d.id AND a.number <= $2 AND a.outcome = 'lost' AND a.counted
         AND a.started_at >= d.queued_at
       RETURNING 1
     )
     UPDATE documents SET attempts = attempts - (SELECT count(*) FROM refunded)
     WHERE id = $1 RETURNING (SELECT count(*) FROM refunded)::int AS refunded`,
    [documentId, upTo],
  );
  return one(rows).refunded;
}

async function closeAttempt(
  client: pg.PoolClient,
  { documentId, attempt }: AttemptId,
  end: {
    outcome: 'failed' | 'lost' | 'abandoned';
    code?: ProcessingErrorCode;
    counted: boolean;
    lostPercent?: number;
  },
): Promise<void> {
  await client.query(
    `UPDATE attempts SET ended_at = now(), outcome = $3, error_code = $4, counted = $5, lost_percent = $6
     WHERE document_id = $1 AND number = $2`,
    [documentId, attempt, end.outcome, end.code, end.counted, end.lostPercent],
  );
  await client.query('DELETE FROM chunks WHERE document_id = $1 AND attempt = $2', [documentId, attempt]);
}

/** A document that has to wait is put on its way when it is due, by the task that looks for such. */
async function requeue(
  client: pg.PoolClient,
  id: string,
  { delayMs, counted }: { delayMs: number; counted: boolean },
): Promise<AfterFailure> {
  const { rows } = await client.query<AfterFailure>(
    `UPDATE documents SET status = 'queued', stage = NULL, percent = 0, lease_until = NULL, updated_at = now(),
       enqueued_at = CASE WHEN $2::float8 = 0 THEN now() END, not_before = now() + make_interval(secs => $2::float8),
       attempts = attempts - CASE WHEN $3 THEN 0 ELSE 1 END, requested_by = $4
     WHERE id = $1 RETURNING *, $3::boolean AS counted, $2::float8 = 0 AS is_due`,
    [id, delayMs / 1000, counted, traceHeaders()],
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
       error_code = $2, error_message = $3, total_ms = greatest(0, extract(epoch FROM now() - queued_at) * 1000)
     WHERE id = $1 RETURNING *, true AS counted, false AS is_due`,
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
  Math.min(60_000, 1000 * 2 ** Math.min(6, Math.max(0, attempts - 1))) * (1 + Math.random() / 2);

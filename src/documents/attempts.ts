import { DomainError } from '../platform/errors.ts';
import type { Queryable } from '../platform/postgres.ts';
import type { Progress, Stage } from './job.ts';

/** How attempts are dealt out. */
export interface AttemptPolicy {
  maxAttempts: number;
  /** An attempt is its worker's for this long after each sign of life. */
  leaseMs: number;
}

/** Which attempt of which document. */
export interface AttemptId {
  documentId: string;
  attempt: number;
}

/** No document waits longer than this for its next attempt, whatever a provider asks or a clock says. */
export const LONGEST_BACKOFF_MS = 5 * 60_000;

/** A queued document that may be worked on now. Due times further ahead than any backoff come from a clock that was wrong. */
export const IS_DUE = `(not_before <= now() OR not_before > now() + interval '${LONGEST_BACKOFF_MS + 30_000} ms')`;

const LEASE = 'now() + make_interval(secs => ';

/** Whether a document that an attempt asks for is gone, or another's. */
export async function whyNotYours(db: Queryable, documentId: string): Promise<DomainError> {
  const { rowCount } = await db.query('SELECT 1 FROM documents WHERE id = $1', [documentId]);
  return rowCount
    ? new DomainError('CONFLICT', 'The attempt is not, or no longer, yours. Drop it.')
    : new DomainError('NOT_FOUND', 'The document is gone. Drop it.');
}

/**
 * Why an attempt is not, or no longer, its worker's. The worker is alive, then: if the attempt was taken for
 * lost, that is taken back, and its document has one attempt more. Not within a transaction that is rolled back.
 */
export async function refusal(db: Queryable, { documentId, attempt }: AttemptId): Promise<DomainError> {
  await db.query(
    `WITH alive AS (
       UPDATE attempts SET outcome = 'abandoned', counted = false
       WHERE document_id = $1 AND number = $2 AND outcome = 'lost' AND counted
       RETURNING started_at
     )
     UPDATE documents SET attempts = greatest(attempts - 1, CASE status WHEN 'processing' THEN 1 ELSE 0 END)
     FROM alive
     WHERE id = $1 AND last_attempt > $2 AND status IN ('queued', 'processing') AND alive.started_at >= queued_at`,
    [documentId, attempt],
  );
  return whyNotYours(db, documentId);
}

/**
 * Gives an attempt that was taken for lost back to its worker, where nobody else has the document by now: it
 * goes on as if nothing had been.
 * @returns whether it did.
 */
export async function resumeAttempt(
  db: Queryable,
  { documentId, attempt }: AttemptId,
  policy: AttemptPolicy,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH resumed AS (
       UPDATE documents d SET status = 'processing', attempts = greatest(1, d.attempts + CASE WHEN a.counted THEN 0 ELSE 1 END),
         lease_until = ${LEASE} $3::float8), updated_at = now(), error_code = NULL, error_message = NULL, completed_at = NULL,
         total_ms = NULL
       FROM attempts a
       WHERE d.id = $1 AND d.last_attempt = $2 AND d.status IN ('queued', 'failed')
         AND a.document_id = d.id AND a.number = $2 AND a.outcome = 'lost'
       RETURNING d.id
     )
     UPDATE attempts SET outcome = NULL, ended_at = NULL, error_code = NULL, lost_percent = NULL, counted = true
     FROM resumed WHERE document_id = resumed.id AND number = $2`,
    [documentId, attempt, policy.leaseMs / 1000],
  );
  return rowCount === 1;
}

/**
 * Renews the lease of an attempt that is under way. Progress never runs backwards: a report that comes late changes
 * nothing but the lease.
 * @returns false where the attempt is not, or no longer, under way.
 */
export async function renewLease(
  db: Queryable,
  id: AttemptId,
  progress: Progress,
  policy: AttemptPolicy,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE documents SET lease_until = ${LEASE} $5::float8), percent = greatest(percent, $4),
       stage = CASE WHEN $4 > percent THEN $3 ELSE stage END,
       updated_at = CASE WHEN $4 > percent THEN now() ELSE updated_at END
     WHERE id = $1 AND status = 'processing' AND last_attempt = $2`,
    [id.documentId, id.attempt, progress.stage, overallPercent(progress), policy.leaseMs / 1000],
  );
  return rowCount === 1;
}

/**
 * Takes a sign of life, which renews the lease.
 * @throws DomainError `NOT_FOUND` if the document is gone, `CONFLICT` if somebody else has it: the worker must stop.
 */
export async function recordProgress(
  db: Queryable,
  id: AttemptId,
  progress: Progress,
  policy: AttemptPolicy,
): Promise<void> {
  if (await renewLease(db, id, progress, policy)) return;
  if ((await resumeAttempt(db, id, policy)) && (await renewLease(db, id, progress, policy))) return;
  throw await refusal(db, id);
}

/** The part of an attempt that each stage is, in percent, without overlap: a later stage is told by a higher number. */
const PART_OF_STAGE: Record<Stage, readonly [from: number, to: number]> = {
  fetch: [0, 1],
  parse: [2, 9],
  embed: [10, 89],
  store: [90, 100],
};

function overallPercent({ stage, percent }: Progress): number {
  const [from, to] = PART_OF_STAGE[stage];
  return Math.floor(from + ((to - from) * percent) / 100);
}

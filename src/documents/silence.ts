import type { Queryable } from '../platform/postgres.ts';
import type { AttemptId } from './attempts.ts';

/** An attempt that is under way, as of a moment: `lease` is another after each sign of life. */
export interface OpenAttempt extends AttemptId {
  lease: string;
}

/** Every attempt that is under way, on all workers. */
export async function readOpenAttempts(db: Queryable): Promise<OpenAttempt[]> {
  const { rows } = await db.query<OpenAttempt>(
    `SELECT id AS "documentId", last_attempt AS attempt, lease_until::text AS lease FROM documents WHERE status = 'processing'`,
  );
  return rows;
}

export interface SilenceOptions {
  /** An attempt is lost after so much silence. */
  leaseMs: number;
  /** How often the attempts are looked at. */
  periodMs: number;
  /** A monotonic clock, in ms. */
  now?: () => number;
}

/**
 * Judges which workers have fallen silent, by listening: an attempt is lost when its lease has not been renewed for
 * as long as a lease lasts, counted on this process's own monotonic clock and only while it was there to hear. So
 * neither a clock that jumps nor a pause, of this process, of the database or of the whole machine, ends an attempt.
 * @returns a function that is told of all open attempts, again and again, and answers those that are lost.
 */
export function createSilenceJudge({
  leaseMs,
  periodMs,
  now = () => performance.now(),
}: SilenceOptions): (open: readonly OpenAttempt[]) => OpenAttempt[] {
  let silences = new Map<string, { lease: string; ms: number }>();
  let lookedAt: number | undefined;
  return (open) => {
    const at = now();
    // A longer interval was a pause: timers run before sockets are read, so what was sent meanwhile is still to come.
    const listenedMs = lookedAt === undefined ? 0 : Math.min(at - lookedAt, 2 * periodMs);
    lookedAt = at;
    const before = silences;
    silences = new Map();
    return open.filter((attempt) => {
      const key = `${attempt.documentId}.${attempt.attempt}`;
      const known = before.get(key);
      const ms = known?.lease === attempt.lease ? known.ms + listenedMs : 0;
      silences.set(key, { lease: attempt.lease, ms });
      return ms >= leaseMs;
    });
  };
}

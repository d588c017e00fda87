import type pg from 'pg';
import type { Task } from '../platform/housekeeping.ts';
import { asLeader } from '../platform/leader.ts';
import type { Logger } from '../platform/logger.ts';
import { afterFailure } from './after-failure.ts';
import { endLostAttempts } from './attempt-ends.ts';
import { type AttemptPolicy, IS_DUE } from './attempts.ts';
import { type Dispatchable, enqueue } from './dispatch.ts';
import { LANES } from './formats.ts';
import { sweepParts } from './parts.ts';
import type { Producers } from './producers.ts';
import type { QueueMonitor } from './queue-state.ts';
import { createSilenceJudge, readOpenAttempts } from './silence.ts';
import { sweepTurns } from './turns.ts';

export interface DocumentTasksOptions {
  pool: pg.Pool;
  producers: Producers;
  policy: AttemptPolicy;
  monitor: QueueMonitor;
  logger: Logger;
}

const PERIOD_MS = 2_000;
const SWEEP_MS = 10 * 60_000;
/** Any number that no one else in this database uses as an advisory lock. */
const DISPATCH_LOCK = 7_204_411;

/** A job that was queued this long ago and is not claimed yet may be lost; to queue it again is harmless. */
const QUEUE_AGAIN_AFTER = `interval '30 seconds'`;

/** What keeps the promise of each 202, and tidies up. */
export function documentTasks(options: DocumentTasksOptions): Task[] {
  const { pool, policy, monitor } = options;
  const judge = createSilenceJudge({ leaseMs: policy.leaseMs, periodMs: PERIOD_MS });
  let sweeps = 0;
  return [
    {
      name: 'end lost attempts',
      everyMs: PERIOD_MS,
      // Each backend listens: who leads now may not have been there to hear.
      run: async () => {
        const silent = judge(await readOpenAttempts(pool));
        if (silent.length === 0) return 0;
        const ended = await endLostAttempts(pool, silent, policy);
        for (const document of ended) {
          const { id: documentId, trace_id, status } = document;
          options.logger.warn('an attempt went silent', { documentId, trace_id, status });
          await afterFailure(document, 'lost', options);
        }
        return ended.length;
      },
    },
    { name: 'dispatch due documents', everyMs: PERIOD_MS, run: () => dispatchDue(options) },
    {
      name: 'read the queue',
      everyMs: PERIOD_MS,
      run: async () => {
        await monitor.refresh();
        return 0;
      },
    },
    {
      name: 'sweep abandoned uploads',
      everyMs: SWEEP_MS,
      run: () => sweepParts(pool, { everything: sweeps++ % 144 === 0 }),
    },
    { name: 'forget old turns', everyMs: SWEEP_MS, run: () => sweepTurns(pool) },
  ];
}

/**
 * Puts every document that is due on the queue again, whatever became of its job.
 * @returns how many were put on their way.
 */
export async function dispatchDue(
  options: Pick<DocumentTasksOptions, 'pool' | 'producers' | 'logger'>,
): Promise<number> {
  const { pool } = options;
  const due = await asLeader(pool, DISPATCH_LOCK, async (client) => {
    const found: Dispatchable[] = [];
    // Each lane by itself, those first that never were on the queue: a long line in one must not hide the other.
    for (const lane of LANES) {
      const { rows } = await client.query<Dispatchable>(
        `UPDATE documents SET enqueued_at = now() WHERE id IN (
           SELECT id FROM documents WHERE status = 'queued' AND lane = $1 AND ${IS_DUE}
             AND (enqueued_at IS NULL OR enqueued_at > now() + ${QUEUE_AGAIN_AFTER}
               OR greatest(enqueued_at, not_before) < now() - ${QUEUE_AGAIN_AFTER})
           ORDER BY enqueued_at NULLS FIRST, queued_at LIMIT 500 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [lane],
      );
      found.push(...rows);
    }
    return found;
  });
  if (!due) return 0;
  const sent = await Promise.all(due.map((document) => enqueue(document, options)));
  const failed = due.filter((_, index) => !sent[index]).map((document) => document.id);
  // Not on the queue after all: due again at the next pass.
  if (failed.length > 0)
    await pool.query('UPDATE documents SET enqueued_at = NULL WHERE id = ANY($1::uuid[])', [failed]);
  return due.length - failed.length;
}

import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import { burstLog } from '../platform/burst-log.ts';
import type { Logger } from '../platform/logger.ts';
import { transaction } from '../platform/postgres.ts';
import { foldCorpusDeltas } from '../search/corpus-statistics.ts';
import { type AfterFailure, type AttemptPolicy, reapExpired } from './attempts.ts';
import { type Dispatchable, dispatch } from './dispatch.ts';
import { logFailed } from './log-failed.ts';
import { recordProcessed } from './metrics.ts';
import { sweepParts } from './parts.ts';
import type { Producers } from './producers.ts';
import type { QueueMonitor } from './queue-state.ts';

export interface ReconcileDeps {
  pool: pg.Pool;
  producers: Producers;
  policy: AttemptPolicy;
  logger: Logger;
}

/** Any number that no one else in this database uses as an advisory lock. */
const LEADER_LOCK = 7_204_411;

/** A job that was queued this long ago and is not claimed yet may be lost; to queue it again is harmless. */
const QUEUE_AGAIN_AFTER = `interval '30 seconds'`;

/**
 * Keeps the promise of a 202: ends attempts that have gone silent, and puts every document that is
 * due on the queue again, whatever became of its job. One backend at a time does it.
 * @returns how many documents were put on their way.
 */
export async function reconcile(deps: ReconcileDeps): Promise<number> {
  const found = await transaction(deps.pool, async (client) => {
    const { rows } = await client.query<{ leader: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS leader', [
      LEADER_LOCK,
    ]);
    if (!rows[0]?.leader) return undefined;
    const ended = await reapExpired(client, deps.policy);
    const due = await client.query<Dispatchable>(
      `UPDATE documents SET enqueued_at = now() WHERE id IN (
         SELECT id FROM documents WHERE status = 'queued' AND not_before <= now()
           AND (enqueued_at IS NULL OR greatest(enqueued_at, not_before) < now() - ${QUEUE_AGAIN_AFTER})
         ORDER BY queued_at LIMIT 500 FOR UPDATE SKIP LOCKED)
       RETURNING *`,
    );
    return { ended, due: due.rows };
  });
  if (!found) return 0;
  for (const document of found.ended) reportEnd(document, deps.logger);
  const waiting = [...found.ended.filter((document) => document.status === 'queued'), ...found.due];
  const sent = await Promise.all(waiting.map((document) => dispatch(document, deps)));
  const failed = waiting.filter((_, index) => !sent[index]).map((document) => document.id);
  // Not on the queue after all: due again at the next pass.
  if (failed.length > 0)
    await deps.pool.query('UPDATE documents SET enqueued_at = NULL WHERE id = ANY($1::uuid[])', [failed]);
  return waiting.length - failed.length;
}

function reportEnd(document: AfterFailure, logger: Logger): void {
  logger.warn('an attempt went silent', {
    documentId: document.id,
    trace_id: document.trace_id,
    status: document.status,
  });
  if (document.status !== 'failed') return;
  recordProcessed(document, 'failed', null);
  logFailed(document, logger);
}

/** What a backend does beside its requests, for as long as it runs. */
export async function runHousekeeping(
  deps: ReconcileDeps & { monitor: QueueMonitor; signal: AbortSignal; intervalMs: number },
): Promise<void> {
  const log = burstLog({ logger: deps.logger, subject: 'housekeeping' });
  let pass = 0;
  while (!deps.signal.aborted) {
    try {
      await reconcile(deps);
      await deps.monitor.refresh();
      await foldCorpusDeltas(deps.pool);
      if (pass % 200 === 0) await sweepParts(deps.pool);
      log.recovered();
    } catch (error) {
      log.failed(error);
    }
    pass += 1;
    // Ends early when aborted.
    await setTimeout(deps.intervalMs, undefined, { signal: deps.signal }).catch(() => undefined);
  }
}

import { type Link, trace } from '@opentelemetry/api';
import type pg from 'pg';
import type { Logger } from '../platform/logger.ts';
import { QueueUnavailableError } from '../platform/queue.ts';
import { traceOf } from '../platform/trace-context.ts';
import type { DocumentRow } from './document.ts';
import { type Job, jobId } from './job.ts';
import type { Producers } from './producers.ts';

/** What dispatching needs to know of a document. */
export type Dispatchable = Pick<DocumentRow, 'id' | 'lane' | 'last_attempt' | 'trace_context' | 'requested_by'>;

/**
 * Puts the next attempt of a queued document on its way; where the queue does not take it now, housekeeping does so
 * as soon as it does. Never rejects: the document is accepted all the same.
 */
export async function dispatch(
  document: Dispatchable,
  deps: { pool: pg.Pool; producers: Producers; logger: Logger },
): Promise<void> {
  if (await enqueue(document, deps)) return;
  await deps.pool
    .query(`UPDATE documents SET enqueued_at = NULL WHERE id = $1 AND status = 'queued'`, [document.id])
    .catch((error: unknown) => deps.logger.debug('a document waits half a minute longer', { error }));
}

/**
 * Puts the next attempt of a queued document that is due on its lane's queue, as part of the document's trace.
 * Safe to repeat: the job's id says which attempt it is for. Never rejects.
 * @returns whether the queue took it.
 */
export async function enqueue(
  document: Dispatchable,
  deps: { producers: Producers; logger: Logger },
): Promise<boolean> {
  const job: Job = { documentId: document.id, attempt: document.last_attempt + 1 };
  const parent = traceOf(document.trace_context);
  try {
    await deps.producers[document.lane].send({
      id: jobId(job),
      data: job,
      parent,
      links: linkTo(document.requested_by),
    });
    return true;
  } catch (error) {
    if (error instanceof QueueUnavailableError)
      deps.logger.debug('the queue did not take a job now', { documentId: document.id, error });
    else deps.logger.error('could not put a document on the queue', { documentId: document.id, error });
    return false;
  }
}

/**
 * Every attempt is a child of the upload. What sent a further one on its way is linked to it: the report
 * of the failure before, in the same trace, or the request to process it again, in a trace of its own.
 */
function linkTo(requestedBy: Record<string, string> | null): Link[] {
  const caller = requestedBy && trace.getSpanContext(traceOf(requestedBy));
  return caller ? [{ context: caller }] : [];
}

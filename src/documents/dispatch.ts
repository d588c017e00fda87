import { type Context, context, type Link, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { Logger } from '../platform/logger.ts';
import type { DocumentRow } from './document.ts';
import { type Job, jobId } from './job.ts';
import type { Producers } from './producers.ts';

/** What dispatching needs to know of a document. */
export type Dispatchable = Pick<DocumentRow, 'id' | 'lane' | 'last_attempt' | 'not_before' | 'trace_context'>;

/**
 * Puts the next attempt of a queued document on its lane's queue, as part of the document's trace.
 * Safe to repeat: the job's id says which attempt it is for. Where the queue is away it only says
 * so: the document is accepted all the same, and the reconciler will put it on its way.
 */
export async function dispatch(
  document: Dispatchable,
  deps: { producers: Producers; logger: Logger },
): Promise<boolean> {
  const job: Job = { documentId: document.id, attempt: document.last_attempt + 1 };
  const parent = propagation.extract(ROOT_CONTEXT, document.trace_context);
  try {
    await deps.producers[document.lane].send({
      id: jobId(job),
      data: job,
      parent,
      links: linkToCaller(parent),
      ...(document.not_before.getTime() > Date.now() && { delayUntil: document.not_before }),
    });
    return true;
  } catch (error) {
    deps.logger.debug('the queue did not take a job; the reconciler will', { documentId: document.id, error });
    return false;
  }
}

/**
 * Every attempt is a child of the upload. What sent a further one on its way is linked to it: the report
 * of the failure before, in the same trace, or the request to process it again, in a trace of its own.
 */
function linkToCaller(parent: Context): Link[] {
  const caller = trace.getSpanContext(context.active());
  const isOther = caller !== undefined && caller.spanId !== trace.getSpanContext(parent)?.spanId;
  return isOther ? [{ context: caller }] : [];
}

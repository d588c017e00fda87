import type pg from 'pg';
import type { Logger } from '../platform/logger.ts';
import type { AfterFailure } from './attempt-ends.ts';
import { dispatch } from './dispatch.ts';
import type { ProcessingErrorCode } from './job.ts';
import { recordAttempt, recordProcessed } from './metrics.ts';
import type { Producers } from './producers.ts';

/** The file's own fault: nobody but who sent it can do anything about it, unless many come. */
const OF_THE_FILE: readonly (ProcessingErrorCode | null)[] = [
  'CORRUPT_FILE',
  'ENCRYPTED_FILE',
  'NO_TEXT',
  'TOO_LARGE_EXPANDED',
  // Nearly always one that takes more computing than any may; where the machine is too busy, many come.
  'PARSE_TIMEOUT',
];

/**
 * What follows on an attempt that did not complete its document: it is counted, and the document is put on the queue
 * again, later where it has to wait, or said to have failed.
 */
export async function afterFailure(
  document: AfterFailure,
  outcome: 'failed' | 'lost',
  deps: { pool: pg.Pool; producers: Producers; logger: Logger },
): Promise<void> {
  recordAttempt(document.lane, document.counted ? outcome : 'refunded');
  if (document.is_due) return void (await dispatch(document, deps));
  if (document.status !== 'failed') return;
  recordProcessed(document, 'failed', null);
  logFailed(document, deps.logger);
}

/** Says that a document will not be tried again; where that is our doing, it needs a person. */
export function logFailed(document: AfterFailure, logger: Logger): void {
  const fields = { documentId: document.id, trace_id: document.trace_id, errorType: document.error_code };
  if (OF_THE_FILE.includes(document.error_code)) logger.warn('document failed', { ...fields, alert: 'error' });
  else logger.error('document given up', { ...fields, alert: 'critical' });
}

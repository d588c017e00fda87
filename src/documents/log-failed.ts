import type { Logger } from '../platform/logger.ts';
import type { AfterFailure } from './attempts.ts';
import type { ProcessingErrorCode } from './job.ts';

/** The file's own fault: nobody but who sent it can do anything about it, unless many come. */
const OF_THE_FILE: readonly (ProcessingErrorCode | null)[] = [
  'CORRUPT_FILE',
  'ENCRYPTED_FILE',
  'NO_TEXT',
  'TOO_LARGE_EXPANDED',
];

/** Says that a document will not be tried again; where that is our doing, it needs a person. */
export function logFailed(document: AfterFailure, logger: Logger): void {
  const fields = { documentId: document.id, trace_id: document.trace_id, errorType: document.error_code };
  if (OF_THE_FILE.includes(document.error_code)) logger.warn('document failed', { ...fields, alert: 'error' });
  else logger.error('document given up', { ...fields, alert: 'critical' });
}

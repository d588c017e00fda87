import { DomainError } from '../platform/errors.ts';

/** What is known of the queues, refreshed by `queue-state.ts`, and how much they may hold. */
export interface Admission {
  /** Documents that wait, as of a moment ago. */
  depth(): number;
  maxDepth: number;
}

/** @throws DomainError `QUEUE_FULL` before a byte of an upload is read. */
export function assertRoom(admission: Admission): void {
  if (admission.depth() < admission.maxDepth) return;
  throw new DomainError('QUEUE_FULL', `${admission.maxDepth} documents are waiting already. Send this one later.`, {
    retryAfter: 30,
  });
}

import { metrics } from '@opentelemetry/api';

/**
 * Why somebody was turned away, or cut off, for the sake of others: `rate` and `connections` of an address, `uploads`,
 * `downloads`, `events`, `searches` that are in progress, `json_bytes` that they hold in memory, `queue_full` and
 * `work_of_key` of what waits, `body_too_slow` and `answer_not_read` of who holds a place without moving, `pipelined` of who
 * does not wait for answers.
 */
const REASONS = [
  ...(['rate', 'connections', 'uploads', 'downloads', 'events', 'searches', 'json_bytes'] as const),
  ...(['queue_full', 'work_of_key', 'body_too_slow', 'answer_not_read', 'pipelined'] as const),
];
export type RefusalReason = (typeof REASONS)[number];

/** Asked for anew each time, as the SDK gives the same one: a module is loaded before it, and outlives it in tests. */
const counter = () =>
  metrics.getMeter('ragbase.http').createCounter('requests_refused_total', {
    description: 'Requests turned away or cut off, for the sake of others',
  });

/** Shows every reason before its first time: an alert can't tell a series that is missing from one that is well. */
export function announceRefusals(): void {
  const refused = counter();
  for (const reason of REASONS) refused.add(0, { reason });
}

/** Counts one. Errors that name their reason are counted as they are answered. */
export function countRefusal(reason: RefusalReason): void {
  counter().add(1, { reason });
}

import { type Attributes, metrics } from '@opentelemetry/api';
import type { QueueCounts } from './queue.ts';
import { untraced } from './untraced.ts';

/** A queue to be observed. */
export interface ObservedQueue {
  /** Its labels. Few and fixed: each set is a series for each status. */
  labels: Attributes;
  counts(): Promise<QueueCounts>;
}

/**
 * Publishes `processing_queue_size`, a series for each status of each queue. The sizes are read on a
 * timer, as a scrape has no time limit for slow callbacks; while a queue gives no answer they are
 * NaN: an old size is worse than none, and the SDK keeps what is no longer observed. Every process
 * sees the same Redis: aggregate by `max`, which passes over NaN.
 * @returns a function that ends it.
 */
export function observeQueues(options: { queues: readonly ObservedQueue[]; refreshMs: number }): () => void {
  const sizes = new Map<ObservedQueue, QueueCounts>();
  const gauge = metrics
    .getMeter('ragbase.queue')
    .createObservableGauge('processing_queue_size', { description: 'Jobs of a queue, by where they stand' });
  const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
    for (const [{ labels }, counts] of sizes)
      for (const [status, size] of Object.entries(counts)) result.observe(size, { ...labels, status });
  };
  const refresh = () => {
    for (const queue of options.queues)
      untraced(() => queue.counts()).then(
        (counts) => sizes.set(queue, counts),
        () => sizes.set(queue, UNKNOWN),
      );
  };
  gauge.addCallback(observe);
  refresh();
  const timer = setInterval(refresh, options.refreshMs).unref();
  return () => {
    clearInterval(timer);
    gauge.removeCallback(observe);
  };
}

const UNKNOWN: QueueCounts = { waiting: NaN, active: NaN, succeeded: NaN, failed: NaN, delayed: NaN };

import { metrics } from '@opentelemetry/api';

/** Names of what searching reports; the `gen_ai.*` conventions are still in development. */
export const ATTRIBUTES = {
  operationName: 'gen_ai.operation.name',
  topK: 'gen_ai.request.top_k',
  mode: 'ragbase.search.mode',
  results: 'ragbase.search.results',
  candidates: 'ragbase.search.candidates',
  index: 'ragbase.search.index',
  errorType: 'error.type',
} as const;

/** `gen_ai.operation.name` of a search. */
export const OPERATION_RETRIEVAL = 'retrieval';

const duration = metrics.getMeter('ragbase.search').createHistogram('search_duration_seconds', {
  description: 'Time of a search: embedding the query, SQL, and the whole',
  unit: 's',
  advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] },
});

/** @param ms duration in milliseconds. */
export function recordDuration(ms: number, labels: { mode: string; stage: 'embed' | 'sql' | 'total' }): void {
  duration.record(ms / 1000, labels);
}

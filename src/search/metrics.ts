import { metrics } from '@opentelemetry/api';

/** Names of what spans say of a search, beside those of the GenAI conventions (`platform/gen-ai-attributes.ts`). */
export const ATTRIBUTES = {
  mode: 'ragbase.search.mode',
  results: 'ragbase.search.results',
  candidates: 'ragbase.search.candidates',
  index: 'ragbase.search.index',
} as const;

/** Records how long searches take. */
export interface SearchMetrics {
  /** @param ms duration in milliseconds. */
  recordDuration(ms: number, labels: { mode: string; stage: 'embed' | 'sql' | 'total' }): void;
}

export function createSearchMetrics(): SearchMetrics {
  const duration = metrics.getMeter('ragbase.search').createHistogram('search_duration_seconds', {
    description: 'Time of a search: embedding the query, SQL, and the whole',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] },
  });
  return { recordDuration: (ms, labels) => duration.record(ms / 1000, labels) };
}

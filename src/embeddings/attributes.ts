/** Names of what spans say of embedding, beside those of the GenAI conventions (`platform/gen-ai-attributes.ts`). */
export const ATTR_EMBEDDING_PURPOSE = 'ragbase.embeddings.purpose';
/** How many texts one call was for. */
export const ATTR_EMBEDDING_TEXTS = 'ragbase.embeddings.texts';

/** The duration histogram, as the Prometheus exporter shows it: units are not appended to names. */
export const DURATION_HISTOGRAM = {
  name: 'embedding_generation_duration_seconds',
  description: 'How long it took to embed the texts of one call.',
  unit: 's',
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 2, 5, 10],
} as const;

/**
 * Names of what embedding reports. The `gen_ai.*` conventions are still in development, so they stand in this one
 * file rather than being imported.
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
export const ATTRIBUTES = {
  operationName: 'gen_ai.operation.name',
  providerName: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  dimensionCount: 'gen_ai.embeddings.dimension.count',
  inputTokens: 'gen_ai.usage.input_tokens',
  errorType: 'error.type',
  /** Ours: what the vectors are for. */
  purpose: 'ragbase.embeddings.purpose',
  /** Ours: how many texts one call was for. */
  textCount: 'ragbase.embeddings.texts',
} as const;

/** `gen_ai.operation.name` of all that happens here, and the first word of the span's name. */
export const OPERATION_EMBEDDINGS = 'embeddings';

/** The duration histogram, as the Prometheus exporter shows it: units are not appended to names. */
export const DURATION_HISTOGRAM = {
  name: 'embedding_generation_duration_seconds',
  description: 'How long it took to embed the texts of one call.',
  unit: 's',
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 2, 5, 10],
} as const;

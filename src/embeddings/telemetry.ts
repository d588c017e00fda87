import { metrics, SpanKind, trace } from '@opentelemetry/api';
import { errorType } from '../platform/errors.ts';
import {
  ATTR_GEN_AI_EMBEDDINGS_DIMENSION_COUNT,
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_PROVIDER_NAME,
  ATTR_GEN_AI_REQUEST_MODEL,
  ATTR_GEN_AI_USAGE_INPUT_TOKENS,
  OPERATION_EMBEDDINGS,
} from '../platform/gen-ai-attributes.ts';
import { markFailed } from '../platform/mark-failed.ts';
import { ATTR_EMBEDDING_PURPOSE, ATTR_EMBEDDING_TEXTS, DURATION_HISTOGRAM } from './attributes.ts';
import type { Embedder } from './embedder.ts';

const SCOPE = 'ragbase.embeddings';

/**
 * The embedder with a span `embeddings {model}` around each call, active while it runs, and a point in
 * `embedding_generation_duration_seconds`. Neither ever holds a text.
 */
export function instrumented(embedder: Embedder): Embedder {
  const tracer = trace.getTracer(SCOPE);
  const duration = metrics.getMeter(SCOPE).createHistogram(DURATION_HISTOGRAM.name, {
    description: DURATION_HISTOGRAM.description,
    unit: DURATION_HISTOGRAM.unit,
    advice: { explicitBucketBoundaries: [...DURATION_HISTOGRAM.buckets] },
  });
  const { provider, model, space } = embedder;
  const kind = provider === 'local' ? SpanKind.INTERNAL : SpanKind.CLIENT;
  return {
    provider,
    model,
    space,
    embed(texts, options) {
      const attributes = {
        [ATTR_GEN_AI_OPERATION_NAME]: OPERATION_EMBEDDINGS,
        [ATTR_GEN_AI_PROVIDER_NAME]: provider,
        [ATTR_GEN_AI_REQUEST_MODEL]: model,
        [ATTR_EMBEDDING_PURPOSE]: options.purpose,
        [ATTR_EMBEDDING_TEXTS]: texts.length,
      };
      return tracer.startActiveSpan(`${OPERATION_EMBEDDINGS} ${model}`, { kind, attributes }, async (span) => {
        const startedAt = performance.now();
        try {
          const vectors = await embedder.embed(texts, options);
          span.setAttribute(ATTR_GEN_AI_EMBEDDINGS_DIMENSION_COUNT, vectors[0]?.length ?? 0);
          return vectors;
        } catch (error) {
          markFailed(span, errorType(error));
          throw error;
        } finally {
          duration.record((performance.now() - startedAt) / 1000, { provider, purpose: options.purpose });
          span.end();
        }
      });
    },
    probe: (signal) => embedder.probe(signal),
    close: () => embedder.close(),
  };
}

/** Adds what a call has used to its span. For embedders, within `embed`. */
export function recordInputTokens(tokens: number): void {
  trace.getActiveSpan()?.setAttribute(ATTR_GEN_AI_USAGE_INPUT_TOKENS, tokens);
}

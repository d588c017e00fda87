import { metrics, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { errorType } from '../platform/errors.ts';
import { ATTRIBUTES, DURATION_HISTOGRAM, OPERATION_EMBEDDINGS } from './attributes.ts';
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
  const { provider, model, dimensions } = embedder;
  const kind = provider === 'local' ? SpanKind.INTERNAL : SpanKind.CLIENT;
  return {
    provider,
    model,
    dimensions,
    embed(texts, options) {
      const attributes = {
        [ATTRIBUTES.operationName]: OPERATION_EMBEDDINGS,
        [ATTRIBUTES.providerName]: provider,
        [ATTRIBUTES.requestModel]: model,
        [ATTRIBUTES.dimensionCount]: dimensions,
        [ATTRIBUTES.purpose]: options.purpose,
        [ATTRIBUTES.textCount]: texts.length,
      };
      return tracer.startActiveSpan(`${OPERATION_EMBEDDINGS} ${model}`, { kind, attributes }, async (span) => {
        const startedAt = performance.now();
        try {
          return await embedder.embed(texts, options);
        } catch (error) {
          fail(span, error);
          throw error;
        } finally {
          duration.record((performance.now() - startedAt) / 1000, { provider, purpose: options.purpose });
          span.end();
        }
      });
    },
    close: () => embedder.close(),
  };
}

/** Adds what a call has used to its span. For embedders, within `embed`. */
export function recordInputTokens(tokens: number): void {
  trace.getActiveSpan()?.setAttribute(ATTRIBUTES.inputTokens, tokens);
}

/** By code alone: a message would go wherever traces go. */
function fail(span: Span, error: unknown): void {
  span.setAttribute(ATTRIBUTES.errorType, errorType(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

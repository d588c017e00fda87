import { withBackoff } from './backoff.ts';
import { batchesOf } from './batches.ts';
import { type Embedder, EmbeddingError, type EmbeddingPurpose } from './embedder.ts';
import { createRequest, type EmbeddingsRequestOptions } from './openai-request.ts';
import { OwnSpace } from './own-space.ts';
import { recordInputTokens } from './telemetry.ts';

export interface OpenAiEmbedderOptions extends EmbeddingsRequestOptions {
  /** Longest wait after a first failure; it doubles with each. 500 ms by default. */
  backoffBaseMs?: number;
  /** Limits of one request. 128 texts and 100,000 UTF-16 units by default: far below 300,000 tokens. */
  maxBatchTexts?: number;
  maxBatchChars?: number;
  /** Where a text is cut. 8,000 UTF-16 units by default: servers refuse more than 8,192 tokens rather than cut. */
  maxTextChars?: number;
}

/** How long a call goes on trying: an ingest can wait, a person who searches can't. */
const PATIENCE: Record<EmbeddingPurpose, { maxAttempts: number; maxWaitMs: number }> = {
  document: { maxAttempts: 5, maxWaitMs: 30_000 },
  query: { maxAttempts: 2, maxWaitMs: 1_000 },
};

/** Opens a model behind an OpenAI-compatible `POST /v1/embeddings`, which need not be there yet. */
export function openOpenAiEmbedder(options: OpenAiEmbedderOptions): Embedder {
  const request = createRequest(options);
  const space = new OwnSpace(options.model, options.dimensions);
  const limits = { maxTexts: options.maxBatchTexts ?? 128, maxChars: options.maxBatchChars ?? 100_000 };
  const maxTextChars = options.maxTextChars ?? 8_000;
  const closing = new AbortController();
  const orClosing = (signal: AbortSignal | undefined) =>
    signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
  return {
    provider: 'openai',
    model: options.model,
    space,
    async embed(texts, { purpose, signal: callerSignal, onProgress }) {
      const signal = orClosing(callerSignal);
      const cut = texts.map((text) => text.slice(0, maxTextChars).toWellFormed());
      const vectors: Float32Array[] = [];
      let tokens = 0;
      for (const batch of batchesOf(cut, limits)) {
        const backoff = { ...PATIENCE[purpose], baseMs: options.backoffBaseMs ?? 500, signal };
        const ask = () => request(batch, { dimensions: space.current?.dimensions, signal });
        const answer = await withBackoff(ask, backoff);
        vectors.push(...answer.vectors);
        onProgress?.();
        tokens += answer.inputTokens ?? 0;
      }
      if (tokens > 0) recordInputTokens(tokens);
      return vectors;
    },
    async probe(signal) {
      const { vectors } = await request(['ready'], { dimensions: undefined, signal: orClosing(signal) });
      return vectors[0]?.length ?? 0;
    },
    async close() {
      closing.abort(new EmbeddingError('the embedder is closed', { retryable: true }));
    },
  };
}

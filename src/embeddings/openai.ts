import { withBackoff } from './backoff.ts';
import { batchesOf } from './batches.ts';
import { type Embedder, EmbeddingError, type EmbeddingPurpose } from './embedder.ts';
import { createRequest, type EmbeddingsRequest, type EmbeddingsRequestOptions } from './openai-request.ts';
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

/**
 * Opens a model behind an OpenAI-compatible `POST /v1/embeddings`.
 * @throws EmbeddingError when the width of its vectors is not given and the server can't be asked.
 */
export async function openOpenAiEmbedder(options: OpenAiEmbedderOptions): Promise<Embedder> {
  const request = createRequest(options);
  const dimensions = options.dimensions ?? (await probeDimensions(request));
  const limits = { maxTexts: options.maxBatchTexts ?? 128, maxChars: options.maxBatchChars ?? 100_000 };
  const maxTextChars = options.maxTextChars ?? 8_000;
  const closing = new AbortController();
  return {
    provider: 'openai',
    model: options.model,
    dimensions,
    async embed(texts, { purpose, signal: callerSignal, onProgress }) {
      const signal = callerSignal ? AbortSignal.any([callerSignal, closing.signal]) : closing.signal;
      const cut = texts.map((text) => text.slice(0, maxTextChars).toWellFormed());
      const vectors: Float32Array[] = [];
      let tokens = 0;
      for (const batch of batchesOf(cut, limits)) {
        const backoff = { ...PATIENCE[purpose], baseMs: options.backoffBaseMs ?? 500, signal };
        const answer = await withBackoff(() => request(batch, { dimensions, signal }), backoff);
        vectors.push(...answer.vectors);
        onProgress?.();
        tokens += answer.inputTokens ?? 0;
      }
      if (tokens > 0) recordInputTokens(tokens);
      return vectors;
    },
    async close() {
      closing.abort(new EmbeddingError('the embedder is closed', { retryable: true }));
    },
  };
}

async function probeDimensions(request: EmbeddingsRequest): Promise<number> {
  const probe = () => request(['dimensions'], { dimensions: undefined });
  const { vectors } = await withBackoff(probe, PATIENCE.document);
  return vectors[0]?.length ?? 0;
}

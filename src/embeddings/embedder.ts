import type { OwnSpace } from './own-space.ts';

/** What an embedding is for; it labels the duration histogram. */
export type EmbeddingPurpose = 'document' | 'query';

/** Turns texts into vectors of one width. Implementations: `local/`, `openai.ts`. */
export interface Embedder {
  /** `gen_ai.provider.name`, and the label of the duration histogram. */
  readonly provider: string;
  /** `gen_ai.request.model`. Vectors of two models can't be compared. */
  readonly model: string;
  /** Model and width; answers of another width than it are refused. */
  readonly space: OwnSpace;
  /**
   * One unit-length vector a text, in the order of the texts. Longer texts are cut at the model's limit.
   * @param options.onProgress told whenever some of the texts are done: all of them may take many minutes.
   * @throws EmbeddingError when no vectors are to be had; its `retryable` says whether later is better.
   */
  embed(
    texts: readonly string[],
    options: { purpose: EmbeddingPurpose; signal?: AbortSignal; onProgress?: () => void },
  ): Promise<Float32Array[]>;
  /**
   * Asks once for one short vector, beside spans and durations: whether vectors are to be had, and how wide they are.
   * @returns the width, whatever the space says.
   * @throws EmbeddingError as `embed` does.
   */
  probe(signal?: AbortSignal): Promise<number>;
  /** Ends threads and sockets. */
  close(): Promise<void>;
}

/** No vectors: the provider is away, refuses, or answers nonsense. The message holds no text that was sent. */
export class EmbeddingError extends Error {
  override readonly name = 'EmbeddingError';
  readonly code = 'EMBEDDING_FAILED';
  /** False where the same call would fail again (bad key, bad model). */
  readonly retryable: boolean;
  /** What the provider asked us to wait, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { retryable: boolean; retryAfterMs?: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}

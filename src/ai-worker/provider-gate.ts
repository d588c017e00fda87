import { setTimeout } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import type { Embedder } from '../embeddings/embedder.ts';
import { EmbeddingError } from '../embeddings/embedder.ts';
import type { Logger } from '../platform/logger.ts';

/** Holds documents back while the embedding provider can take no more: each would only use up a try. */
export interface ProviderGate {
  /** The embedder, watched. */
  embedder: Embedder;
  /** Whether work may begin now. */
  readonly isOpen: boolean;
  /**
   * Resolves when work may begin; rejects when aborted.
   * @param onWait told before each wait, of a minute or so.
   */
  pass(signal: AbortSignal, onWait?: () => void): Promise<void>;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Closes when the provider says that it is overloaded or is away, for as long as it asks, or twice as
 * long as the time before; the first text that is embedded opens it for good.
 */
export function createProviderGate(embedder: Embedder, options: { logger: Logger }): ProviderGate {
  let openAt = 0;
  let pauseMs = 0;
  metrics
    .getMeter('ragbase.ai-worker')
    .createObservableGauge('embedding_provider_paused', {
      description: '1 while documents wait for the embedding provider',
    })
    .addCallback((result) => result.observe(Date.now() < openAt ? 1 : 0, { provider: embedder.provider }));

  function close(error: EmbeddingError): void {
    if (Date.now() < openAt) return;
    if (pauseMs === 0) options.logger.warn('embedding provider fails; documents wait for it', { error });
    pauseMs = Math.min(LONGEST_PAUSE_MS, error.retryAfterMs ?? Math.max(FIRST_PAUSE_MS, pauseMs * 2));
    openAt = Date.now() + pauseMs;
  }

  function open(): void {
    if (pauseMs > 0) options.logger.info('embedding provider works again');
    pauseMs = 0;
    openAt = 0;
  }

  return {
    embedder: {
      provider: embedder.provider,
      model: embedder.model,
      dimensions: embedder.dimensions,
      close: () => embedder.close(),
      embed: async (texts, call) => {
        try {
          const vectors = await embedder.embed(texts, call);
          open();
          return vectors;
        } catch (error) {
          if (error instanceof EmbeddingError && error.retryable) close(error);
          throw error;
        }
      },
    },
    get isOpen() {
      return Date.now() >= openAt;
    },
    pass: async (signal, onWait) => {
      for (let waitMs = openAt - Date.now(); waitMs > 0; waitMs = openAt - Date.now()) {
        onWait?.();
        // Not all at once when it opens.
        await setTimeout(waitMs * (1 + Math.random() / 4), undefined, { signal });
      }
    },
  };
}

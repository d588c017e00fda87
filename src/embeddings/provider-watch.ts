import { setTimeout } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import { burstLog } from '../platform/burst-log.ts';
import type { Logger } from '../platform/logger.ts';
import { untraced } from '../platform/untraced.ts';
import { type Embedder, EmbeddingError } from './embedder.ts';

/** What is known of the embedding provider, by its last answer. */
export interface ProviderWatch {
  /** The embedder, watched: whoever embeds says by that how the provider is. */
  embedder: Embedder;
  /** False until its first answer, and while it is away, refuses, or can take no more. */
  readonly isUp: boolean;
  /** Resolves with the width of the first vector that it gave. */
  readonly firstAnswer: Promise<number>;
}

export interface ProviderWatchOptions {
  logger: Logger;
  /** Ends the probes. */
  signal: AbortSignal;
  /** Wait after a first failure, in ms; it doubles with each until a text is embedded. A second by default. */
  firstPauseMs?: number;
}

const LONGEST_PAUSE_MS = 30_000;
/** What a provider asks for beyond it is not believed: it may be back any time. */
const LONGEST_ASKED_MS = 60_000;

/** Its messages hold no text and no key. */
const problemOf = (error: unknown): string | undefined => (error instanceof EmbeddingError ? error.message : undefined);

/**
 * Watches every call, and while the provider is away asks it for a short vector now and again. The series
 * `embedding_provider_up`, and one line in the log when it goes and one when it is back.
 */
export function watchProvider(embedder: Embedder, options: ProviderWatchOptions): ProviderWatch {
  const { logger, signal, firstPauseMs = 1_000 } = options;
  const { provider, model } = embedder;
  const log = burstLog({
    logger,
    subject: 'embedding provider',
    fields: { provider, model },
    describe: problemOf,
    tells: 'first problem',
  });
  const first = Promise.withResolvers<number>();
  let isUp = false;
  let isProbing = false;
  let pauseMs = 0;
  metrics
    .getMeter('ragbase.embeddings')
    .createObservableGauge('embedding_provider_up', { description: '1 while the embedding provider answers' })
    .addCallback((result) => result.observe(isUp ? 1 : 0, { provider }));

  function answered(width: number): void {
    isUp = true;
    log.recovered();
    first.resolve(width);
  }

  function failed(error: unknown): void {
    if (signal.aborted) return;
    log.failed(error);
    const asked = Math.min(LONGEST_ASKED_MS, (error instanceof EmbeddingError && error.retryAfterMs) || 0);
    pauseMs = Math.max(asked, Math.min(LONGEST_PAUSE_MS, Math.max(firstPauseMs, pauseMs * 2)));
    isUp = false;
    void untraced(probeUntilUp);
  }

  async function probeUntilUp(): Promise<void> {
    if (isProbing) return;
    isProbing = true;
    while (!isUp && !signal.aborted) {
      // Not at the same moment as every other process. Ends early when aborted.
      await setTimeout(pauseMs * (1 + Math.random() / 4), undefined, { signal }).catch(() => undefined);
      if (isUp || signal.aborted) break;
      await embedder.probe(signal).then(answered, failed);
    }
    isProbing = false;
  }

  void untraced(probeUntilUp);
  return {
    get isUp() {
      return isUp;
    },
    firstAnswer: first.promise,
    embedder: {
      provider,
      model,
      space: embedder.space,
      embed: async (texts, call) => {
        try {
          const vectors = await embedder.embed(texts, call);
          pauseMs = 0;
          if (vectors[0]) answered(vectors[0].length);
          return vectors;
        } catch (error) {
          // Several calls that fail together are one failure.
          if (isUp && error instanceof EmbeddingError && error.retryable) failed(error);
          throw error;
        }
      },
      probe: (probeSignal) => embedder.probe(probeSignal),
      close: () => embedder.close(),
    },
  };
}

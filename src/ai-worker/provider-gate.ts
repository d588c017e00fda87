import { setTimeout } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import type { ProviderWatch } from '../embeddings/provider-watch.ts';

/** Holds documents back while the embedding provider does not answer: each would only use up a try. */
export interface ProviderGate {
  /** Whether work may begin now. */
  readonly isOpen: boolean;
  /**
   * Resolves when work may begin; rejects when aborted.
   * @param onWait told before each wait, of a second or so.
   */
  pass(signal: AbortSignal, onWait?: () => void): Promise<void>;
}

/** Longest wait before the provider is looked at again; of random length, so that not all begin at once. */
const LOOK_MS = 1_000;

/** Open while the provider is up; and so never before the width of its vectors is known. */
export function createProviderGate(provider: Pick<ProviderWatch, 'isUp' | 'embedder'>): ProviderGate {
  metrics
    .getMeter('ragbase.ai-worker')
    .createObservableGauge('embedding_provider_paused', {
      description: '1 while documents wait for the embedding provider',
    })
    .addCallback((result) => result.observe(provider.isUp ? 0 : 1, { provider: provider.embedder.provider }));
  return {
    get isOpen() {
      return provider.isUp;
    },
    pass: async (signal, onWait) => {
      while (!provider.isUp) {
        onWait?.();
        await setTimeout(Math.random() * LOOK_MS, undefined, { signal });
      }
    },
  };
}

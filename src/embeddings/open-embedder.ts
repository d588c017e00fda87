import type { Embedder } from './embedder.ts';
import { type LocalEmbedderOptions, openLocalEmbedder } from './local/local-embedder.ts';
import { type OpenAiEmbedderOptions, openOpenAiEmbedder } from './openai.ts';
import { instrumented } from './telemetry.ts';

export type EmbedderOptions =
  | ({ provider: 'local' } & LocalEmbedderOptions)
  | ({ provider: 'openai' } & OpenAiEmbedderOptions);

/**
 * Opens the embedder of a provider, with its span and its duration histogram.
 * @throws Error where the local model can't be built. A remote one need not be there.
 */
export async function openEmbedder(options: EmbedderOptions): Promise<Embedder> {
  const embedder = options.provider === 'local' ? await openLocalEmbedder(options) : openOpenAiEmbedder(options);
  return instrumented(embedder);
}

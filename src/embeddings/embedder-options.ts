import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { EmbedderOptions } from './open-embedder.ts';

type Settings = Pick<
  Config<'backend'>,
  | 'EMBEDDING_PROVIDER'
  | 'EMBEDDING_BASE_URL'
  | 'EMBEDDING_API_KEY'
  | 'EMBEDDING_MODEL'
  | 'EMBEDDING_DIMENSIONS'
  | 'RAGBASE_DATA_DIR'
>;

/**
 * The embedder that the settings of a process ask for.
 * @param currentKey what gives the key for each request, instead of the settings'.
 */
export function embedderOptions(settings: Settings, currentKey?: () => string | undefined): EmbedderOptions {
  const {
    EMBEDDING_BASE_URL: baseUrl,
    EMBEDDING_API_KEY: key,
    EMBEDDING_MODEL: model,
    EMBEDDING_DIMENSIONS: dimensions,
  } = settings;
  const apiKey = currentKey ?? key;
  if (settings.EMBEDDING_PROVIDER === 'local') {
    return { provider: 'local', cacheDir: join(settings.RAGBASE_DATA_DIR, 'models') };
  }
  if (baseUrl === undefined || model === undefined) {
    throw new Error('EMBEDDING_BASE_URL and EMBEDDING_MODEL are required by the configuration of this provider');
  }
  return {
    provider: 'openai',
    baseUrl,
    model,
    ...(apiKey !== undefined && { apiKey }),
    ...(dimensions !== undefined && { dimensions }),
  };
}

import assert from 'node:assert/strict';
import { embedderOptions } from '../../src/embeddings/embedder-options.ts';

describe('embedderOptions', () => {
  const none = {
    EMBEDDING_BASE_URL: undefined,
    EMBEDDING_API_KEY: undefined,
    EMBEDDING_MODEL: undefined,
    EMBEDDING_DIMENSIONS: undefined,
  };

  it('keeps the local model under the data folder', () => {
    const options = embedderOptions({ ...none, EMBEDDING_PROVIDER: 'local', RAGBASE_DATA_DIR: '/data' });
    assert.deepEqual(options, { provider: 'local', cacheDir: '/data/models' });
  });

  it('leaves out what is not set', () => {
    const settings = { ...none, EMBEDDING_BASE_URL: 'http://ollama:11434/v1', EMBEDDING_MODEL: 'bge-m3' };
    const options = embedderOptions({ ...settings, EMBEDDING_PROVIDER: 'openai', RAGBASE_DATA_DIR: '/data' });
    assert.deepEqual(options, { provider: 'openai', baseUrl: 'http://ollama:11434/v1', model: 'bge-m3' });
  });
});

import assert from 'node:assert/strict';
import type { Pool } from 'pg';
import { keepSpace } from '../../src/embeddings/keep-space.ts';
import { openOpenAiEmbedder } from '../../src/embeddings/openai.ts';
import { type ProviderWatch, watchProvider } from '../../src/embeddings/provider-watch.ts';
import { ensureEmbeddingSpace, readEmbeddingSpace, settleEmbeddingSpace } from '../../src/embeddings/space.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { until } from '../support/until.ts';
import { type EmbeddingsServer, respond, startEmbeddingsServer } from './embeddings-server.ts';
import { makeUnused, vectorColumn } from './unused-database.ts';

describe('the space of a database and a remote model', function suite() {
  this.timeout(60_000);
  let database: TestDatabase;
  let pool: Pool;
  let server: EmbeddingsServer;
  let ending: AbortController;
  let provider: ProviderWatch;
  before(async () => {
    database = await openTestDatabase({ dimensions: 3 });
    pool = database.pool;
  });
  after(() => database.close());
  beforeEach(async () => {
    await makeUnused(pool);
    server = await startEmbeddingsServer();
    ending = new AbortController();
  });
  afterEach(async () => {
    ending.abort();
    await provider.embedder.close();
    await server.close();
  });

  const log = memoryLogger();
  const away = () => server.answers.push(...Array.from({ length: 1_000 }, () => refuse));
  const refuse = (_: unknown, response: Parameters<typeof respond>[0]) => respond(response, 503, {});
  /** As a backend does at its start. */
  const start = async (options: { dimensions?: number } = {}) => {
    const embedder = openOpenAiEmbedder({ baseUrl: server.baseUrl, model: 'm', backoffBaseMs: 1, ...options });
    const { logger } = log;
    provider = watchProvider(embedder, { logger, signal: ending.signal, firstPauseMs: 10 });
    await settleEmbeddingSpace(pool, embedder);
    return keepSpace(pool, provider, { logger, signal: ending.signal });
  };
  const known = () => provider.embedder.space.current;

  it('is that of the settings, without a word of the model', async () => {
    away();
    await start({ dimensions: 3 });
    assert.deepEqual(known(), { model: 'm', dimensions: 3 });
    assert.deepEqual(await readEmbeddingSpace(pool), { model: 'm', dimensions: 3 });
  });

  it('is that of the database, without a word of the model', async () => {
    away();
    await ensureEmbeddingSpace(pool, { model: 'm', dimensions: 3 });
    await start();
    assert.deepEqual(known(), { model: 'm', dimensions: 3 });
  });

  it('stops the start where the database holds vectors of another model', async () => {
    away();
    await ensureEmbeddingSpace(pool, { model: 'another', dimensions: 3 });
    await assert.rejects(start(), /holds vectors of another .*npm run reembed/);
  });

  it('is learnt where neither says it, whenever the model answers', async () => {
    away();
    const space = await start();
    assert.equal(known(), undefined);
    assert.equal(await readEmbeddingSpace(pool), undefined);
    server.answers.length = 0;
    await until(() => known() !== undefined);
    assert.deepEqual(known(), { model: 'm', dimensions: 3 });
    assert.deepEqual(await readEmbeddingSpace(pool), { model: 'm', dimensions: 3 });
    assert.deepEqual(await vectorColumn(pool), { type: 'vector(3)', index: 'hnsw (embedding vector_cosine_ops)' });
    assert.equal(space.fits, true);
  });

  it('does not fit, and says so, where the model turns out to be of another width', async () => {
    await ensureEmbeddingSpace(pool, { model: 'm', dimensions: 5 });
    const space = await start();
    await until(() => !space.fits);
    assert.deepEqual(known(), { model: 'm', dimensions: 5 });
    const line = log.lines.at(-1);
    assert.equal(line?.level, 'error');
    assert.match(line.message, /holds vectors of m with 5 dimensions, but m with 3 dimensions .*npm run reembed/);
  });
});

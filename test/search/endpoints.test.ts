import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express, { type Express } from 'express';
import request from 'supertest';
import type { Embedder } from '../../src/embeddings/embedder.ts';
import { openEmbedder } from '../../src/embeddings/open-embedder.ts';
import { errorResponse } from '../../src/platform/error-response.ts';
import { httpTelemetry } from '../../src/platform/http-telemetry.ts';
import { mountEndpoints } from '../../src/platform/mount-endpoints.ts';
import { requestId } from '../../src/platform/request-id.ts';
import { searchEndpoints } from '../../src/search/endpoints.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { addDocument } from './corpus.ts';

const TEXTS = {
  tides: 'The gravity of the moon raises the sea twice a day.',
  bread: 'Knead the dough, and let it rest in a warm place until it has doubled.',
  cats: 'A kitten sleeps for most of the day and hunts at dusk.',
} as const;

describe('POST /api/v1/search', function () {
  this.timeout(120_000);
  const { logger } = memoryLogger();
  let recorded: RecordedTelemetry;
  let database: TestDatabase;
  let cacheDir: string;
  let embedder: Embedder;
  let app: Express;
  const ids = new Map<string, string>();

  before(async () => {
    recorded = recordTelemetry();
    cacheDir = await mkdtemp(join(tmpdir(), 'model-'));
    embedder = await openEmbedder({ provider: 'local', cacheDir });
    database = await openTestDatabase({ dimensions: await embedder.probe() });
    for (const [name, text] of Object.entries(TEXTS)) {
      const [vector] = await embedder.embed([text], { purpose: 'document' });
      assert.ok(vector);
      const chunks = [{ text, vector, headings: ['Part', name], page: 7 }];
      const { documentId } = await addDocument(database.pool, {
        collection: 'facts',
        metadata: { topic: name },
        chunks,
      });
      ids.set(documentId, name);
    }
    app = serve(embedder);
  });
  after(async () => {
    await embedder.close();
    await database.close();
    await recorded.stop();
    await rm(cacheDir, { recursive: true });
  });

  const serve = (searching: Embedder) => {
    const served = express();
    served.use(requestId({ limit: 128 }));
    served.use(httpTelemetry({ logger, untraced: () => false }));
    mountEndpoints(served, searchEndpoints({ pool: database.pool, embedder: searching }), { jsonLimit: 256 * 1024 });
    served.use(errorResponse({ logger }));
    return served;
  };

  const post = (body: object, to: Express = app) => request(to).post('/api/v1/search').send(body);
  const topics = (body: { results: { documentId: string }[] }) =>
    body.results.map(({ documentId }) => ids.get(documentId));

  it('answers with chunks, best first, and where they stand', async () => {
    const { status, body } = await post({ query: ' why does the ocean rise and fall? ', limit: 2 });
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ['mode', 'results', 'tookMs', 'traceId']);
    assert.equal(body.mode, 'hybrid');
    assert.equal(body.results.length, 2);
    const [first, second] = body.results;
    const { documentId, chunkId, score, ...rest } = first;
    assert.equal(ids.get(documentId), 'tides');
    assert.match(chunkId, /^\d+$/);
    assert.ok(score >= second.score);
    assert.deepEqual(rest, {
      name: 'given.txt',
      text: TEXTS.tides,
      rank: 1,
      location: { page: 7, headings: ['Part', 'tides'], offset: 0 },
      metadata: { topic: 'tides' },
    });
    assert.equal(second.rank, 2);
  });

  it('searches by meaning, by words, or by both', async () => {
    const query = 'baking';
    assert.equal(topics((await post({ query, mode: 'vector' })).body)[0], 'bread');
    assert.deepEqual((await post({ query, mode: 'keyword' })).body.results, []);
    assert.equal(topics((await post({ query, mode: 'hybrid' })).body)[0], 'bread');
    assert.deepEqual(topics((await post({ query: 'the dough', mode: 'keyword' })).body), ['bread']);
  });

  it('finds no words in stop words', async () => {
    assert.deepEqual((await post({ query: 'the and of', mode: 'keyword' })).body.results, []);
    assert.equal((await post({ query: 'the and of' })).status, 200);
  });

  it('searches one collection, and only what the filter leaves', async () => {
    for (const mode of ['hybrid', 'vector', 'keyword']) {
      const all = { query: 'the day', mode, collection: 'facts' };
      assert.deepEqual((await post({ ...all, collection: 'nothing' })).body.results, []);
      assert.deepEqual(topics((await post({ ...all, filter: { topic: 'cats' } })).body), ['cats']);
      const two = topics((await post({ ...all, filter: { topic: ['cats', 'tides'] } })).body);
      assert.deepEqual(two.sort(), ['cats', 'tides']);
    }
  });

  it('explains itself', async () => {
    const { explain } = (await post({ query: 'the sea', explain: true })).body;
    assert.ok(explain.embedMs > 0 && explain.sqlMs > 0);
    assert.deepEqual([explain.index, explain.efSearch, explain.candidates], ['hnsw', 200, 3]);
    const small = await post({ query: 'the sea', explain: true, collection: 'facts' });
    assert.equal(small.body.explain.index, 'exact');
    const keyword = await post({ query: 'the sea', explain: true, mode: 'keyword' });
    const { sqlMs, ...rest } = keyword.body.explain;
    assert.deepEqual(rest, { embedMs: 0, index: null, efSearch: null, candidates: 1 });
  });

  it('refuses what is no search, and says why', async () => {
    for (const [body, path] of [
      [{}, 'body.query'],
      [{ query: '  ' }, 'body.query'],
      [{ query: 'x'.repeat(4097) }, 'body.query'],
      [{ query: ` ${'x'.repeat(4096)}` }, 'body.query'],
      [{ query: 'a\0b' }, 'body.query'],
      [{ query: 'tide', limit: 0 }, 'body.limit'],
      [{ query: 'tide', limit: 101 }, 'body.limit'],
      [{ query: 'tide', mode: 'magic' }, 'body.mode'],
      [{ query: 'tide', collection: '../x' }, 'body.collection'],
      [{ query: 'tide', filter: { a: { b: 1 } } }, 'body.filter.a'],
      [{ query: 'tide', filter: { a: [] } }, 'body.filter.a'],
      [{ query: 'tide', filter: { a: '\ud800' } }, 'body.filter.a'],
      [{ query: 'tide', filter: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, i])) }, 'body.filter'],
      [{ query: 'tide', other: 1 }, 'body'],
    ] as const) {
      const answer = await post(body);
      assert.equal(answer.status, 400, JSON.stringify(body).slice(0, 80));
      assert.equal(answer.body.error, 'INVALID_REQUEST');
      assert.equal(answer.body.details[0].path, path);
    }
    assert.equal((await post({ query: 'x'.repeat(4096) })).status, 200);
  });

  it('is one trace, without a word of the query', async () => {
    const { body } = await post({ query: 'zanzibar', limit: 4 });
    const spans = recorded.spans().filter((span) => span.spanContext().traceId === body.traceId);
    const search = spans.find(({ name }) => name === 'search');
    assert.ok(search);
    assert.equal(search.attributes['gen_ai.request.top_k'], 4);
    assert.equal(search.attributes['ragbase.search.mode'], 'hybrid');
    assert.equal(search.attributes['ragbase.search.results'], 3);
    const children = spans.filter((span) => span.parentSpanContext?.spanId === search.spanContext().spanId);
    assert.deepEqual(
      children.map(({ name }) => name),
      ['embed', 'sql keyword', 'sql vector', 'fuse', 'sql results'],
    );
    const said = JSON.stringify(spans.map(({ name, attributes, events }) => ({ name, attributes, events })));
    assert.ok(!said.includes('zanzibar'));
  });

  it('measures each stage', async () => {
    const points = await recorded.points('search_duration_seconds');
    const stages = points.filter(({ labels }) => labels['mode'] === 'hybrid').map(({ labels }) => labels['stage']);
    assert.deepEqual(stages.sort(), ['embed', 'sql', 'total']);
    const keyword = points.filter(({ labels }) => labels['mode'] === 'keyword').map(({ labels }) => labels['stage']);
    assert.deepEqual(keyword.sort(), ['sql', 'total']);
  });

  it('is unavailable while queries can not be embedded, but for keyword search', async () => {
    const closed = await openEmbedder({ provider: 'local', cacheDir });
    await closed.close();
    const without = serve(closed);
    const answer = await post({ query: 'tide' }, without);
    assert.equal(answer.status, 503);
    assert.equal(answer.body.error, 'UNAVAILABLE');
    assert.equal(answer.get('Retry-After'), '5');
    assert.equal((await post({ query: 'dough', mode: 'keyword' }, without)).status, 200);
  });
});

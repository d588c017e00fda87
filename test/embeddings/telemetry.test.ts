import assert from 'node:assert/strict';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { type Embedder, EmbeddingError } from '../../src/embeddings/embedder.ts';
import { openEmbedder } from '../../src/embeddings/open-embedder.ts';
import { instrumented } from '../../src/embeddings/telemetry.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { type EmbeddingsServer, respond, startEmbeddingsServer } from './embeddings-server.ts';

const SECRET_TEXT = 'confidential words';

describe('instrumented', () => {
  let telemetry: RecordedTelemetry;
  let server: EmbeddingsServer;
  let embedder: Embedder;

  beforeEach(async () => {
    telemetry = recordTelemetry();
    server = await startEmbeddingsServer();
    embedder = await openEmbedder({ provider: 'openai', baseUrl: server.baseUrl, model: 'some-model', dimensions: 3 });
  });
  afterEach(async () => {
    await embedder.close();
    await server.close();
    await telemetry.stop();
  });

  const embeddingSpans = () => telemetry.spans().filter(({ name }) => name.startsWith('embeddings'));

  it('describes a call as the conventions have it, without its texts', async () => {
    await embedder.embed([SECRET_TEXT, 'b'], { purpose: 'document' });
    const [span] = embeddingSpans();
    assert.equal(span?.name, 'embeddings some-model');
    assert.equal(span.kind, SpanKind.CLIENT);
    assert.deepEqual(span.attributes, {
      'gen_ai.operation.name': 'embeddings',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'some-model',
      'gen_ai.embeddings.dimension.count': 3,
      'gen_ai.usage.input_tokens': 4,
      'ragbase.embeddings.purpose': 'document',
      'ragbase.embeddings.texts': 2,
    });
    assert.doesNotMatch(JSON.stringify(telemetry.spans().map(({ attributes }) => attributes)), /confidential/);
  });

  it("stands under its caller's span", async () => {
    await trace.getTracer('test').startActiveSpan('caller', async (caller) => {
      await embedder.embed(['a'], { purpose: 'query' });
      caller.end();
    });
    const caller = telemetry.spans().find(({ name }) => name === 'caller');
    assert.equal(embeddingSpans()[0]?.parentSpanContext?.spanId, caller?.spanContext().spanId);
  });

  it('is the active span while the embedder works', async () => {
    const active: (string | undefined)[] = [];
    const watched = instrumented({
      ...embedder,
      embed: async () => {
        await new Promise(setImmediate);
        active.push(trace.getActiveSpan()?.spanContext().spanId);
        return [];
      },
    });
    await watched.embed(['a'], { purpose: 'query' });
    assert.deepEqual(active, [embeddingSpans()[0]?.spanContext().spanId]);
  });

  it('marks a failure by its code alone, and throws it on', async () => {
    server.answers.push((_, response) => respond(response, 400, { error: { code: 'bad_model' } }));
    await assert.rejects(embedder.embed([SECRET_TEXT], { purpose: 'document' }), EmbeddingError);
    const [span] = embeddingSpans();
    assert.equal(span?.attributes['error.type'], 'EMBEDDING_FAILED');
    assert.deepEqual(span.status, { code: SpanStatusCode.ERROR });
    assert.deepEqual(span.events, []);
  });

  it('is an internal span for the local model', async () => {
    await instrumented({ ...embedder, provider: 'local', embed: async () => [] }).embed([], { purpose: 'query' });
    assert.equal(embeddingSpans()[0]?.kind, SpanKind.INTERNAL);
  });

  it('counts each call in the histogram, by provider and purpose', async () => {
    await embedder.embed(['a'], { purpose: 'document' });
    await embedder.embed(['a'], { purpose: 'query' });
    await embedder.embed(['b'], { purpose: 'query' });
    const points = await telemetry.points('embedding_generation_duration_seconds');
    const counts = points.map(({ labels, value }) => {
      const { count, buckets } = value as { count: number; buckets: { boundaries: number[] } };
      return { labels, count, boundaries: buckets.boundaries };
    });
    const boundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 2, 5, 10];
    assert.deepEqual(counts, [
      { labels: { provider: 'openai', purpose: 'document' }, count: 1, boundaries },
      { labels: { provider: 'openai', purpose: 'query' }, count: 2, boundaries },
    ]);
  });
});

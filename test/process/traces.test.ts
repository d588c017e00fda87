import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { ReceivedSpan } from '../../deploy/local/otlp-receiver.ts';
import {
  type Answer,
  type EmbeddingsServer,
  numbersAnswer,
  respond,
  startEmbeddingsServer,
} from '../embeddings/embeddings-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const SERVER = 2;
const PRODUCER = 4;
const CONSUMER = 5;
const RESULT = 'PUT /internal/documents/:id/attempts/:attempt/result';
const FAILURE = 'POST /internal/documents/:id/attempts/:attempt/failure';

describe('the traces of the service', function suite() {
  this.timeout(180_000);
  let service: Service;
  before(async () => {
    service = await startService({ MAX_ATTEMPTS: '2' });
  });
  after(() => service?.stop());

  const upload = async (name: string, content: string) =>
    (await (await service.upload(name, content)).json()) as ShownDocument;

  /** The spans of a trace, once those that are named have arrived, as often as they are named. */
  async function spansOf(traceId: string, ...names: string[]): Promise<ReceivedSpan[]> {
    const wanted = Map.groupBy(names, (name) => name);
    const spans = () => service.traces.spans(traceId);
    await until(() =>
      [...wanted].every(([name, { length }]) => spans().filter((span) => span.name === name).length >= length),
    );
    return spans();
  }

  it('follow an upload over both processes to the last row', async () => {
    const uploaded = await upload('tides.md', `# Tides\n\nHigh water ${randomUUID()}`);
    await service.settled(uploaded.id);
    const spans = await spansOf(uploaded.traceId, 'POST /api/v1/documents', 'process documents-fast', 'store', RESULT);
    assertWhole(spans);
    const root = only(spans, 'POST /api/v1/documents');
    assert.deepEqual([root.parentSpanId, root.kind, root.isError], [undefined, SERVER, false]);
    assert.deepEqual(root.attributes, {
      'http.request.method': 'POST',
      'url.scheme': 'http',
      'url.path': '/api/v1/documents',
      'http.route': '/api/v1/documents',
      'http.response.status_code': 202,
      'network.protocol.version': '1.1',
      'ragbase.api_key.fingerprint': root.attributes['ragbase.api_key.fingerprint'],
      'ragbase.document.id': uploaded.id,
    });

    const send = only(spans, 'send documents-fast');
    const process = only(spans, 'process documents-fast');
    assert.deepEqual([send.kind, send.parentSpanId, send.links], [PRODUCER, root.spanId, []]);
    assert.deepEqual([process.kind, process.parentSpanId], [CONSUMER, send.spanId]);
    for (const [span, operation] of [
      [send, 'send'],
      [process, 'process'],
    ] as const) {
      assert.equal(span.attributes['messaging.system'], 'bee-queue');
      assert.equal(span.attributes['messaging.operation.name'], operation);
      assert.equal(span.attributes['messaging.operation.type'], operation);
      assert.equal(span.attributes['messaging.destination.name'], 'documents-fast');
      assert.equal(span.attributes['messaging.message.id'], `${uploaded.id}.1`);
    }

    assert.deepEqual(path(spans, only(spans, 'store')), [
      'store',
      RESULT,
      'callback',
      process.name,
      send.name,
      root.name,
    ]);
    for (const stage of ['fetch', 'parse', 'embed', 'callback'])
      assert.equal(only(spans, stage).parentSpanId, process.spanId, stage);
    assert.equal(only(spans, 'chunk').parentSpanId, only(spans, 'parse').spanId);
    assert.equal(only(spans, 'store').attributes['ragbase.chunk.count'], 1);
    const embeddings = only(spans, 'embeddings all-MiniLM-L6-v2');
    assert.equal(embeddings.parentSpanId, only(spans, 'embed').spanId);
    const { attributes } = embeddings;
    assert.deepEqual(
      [attributes['gen_ai.operation.name'], attributes['gen_ai.embeddings.dimension.count']],
      ['embeddings', 384],
    );
    assert.ok(Number(attributes['gen_ai.usage.input_tokens']) > 0);
    assert.deepEqual(
      service.traces.spans().filter((span) => /brpoplpush/i.test(span.name)),
      [],
    );
  });

  it('say why a document failed, by its code', async () => {
    const uploaded = await upload('cut.pdf', `%PDF-1.7\n% ${randomUUID()}\n1 0 obj\n<< /Type /Catalog`);
    assert.equal((await service.settled(uploaded.id)).status, 'failed');
    const spans = await spansOf(uploaded.traceId, 'process documents-heavy', 'POST /api/v1/documents', FAILURE);
    assertWhole(spans);
    for (const name of ['parse', 'process documents-heavy']) {
      const { isError, attributes } = only(spans, name);
      assert.deepEqual([isError, attributes['error.type']], [true, 'CORRUPT_FILE'], name);
    }
    assert.equal(only(spans, 'POST /api/v1/documents').isError, false);
  });

  it('hold every attempt of a document that is processed again, linked to what asked for it', async () => {
    const uploaded = await upload('again.txt', `again ${randomUUID()}`);
    await service.settled(uploaded.id);
    const response = await service.call(`/api/v1/documents/${uploaded.id}/reprocess`, { method: 'POST' });
    const asking = response.headers.get('x-trace-id') ?? '';
    assert.notEqual(asking, uploaded.traceId);
    await service.settled(uploaded.id);
    const spans = await spansOf(uploaded.traceId, 'process documents-fast', 'process documents-fast', RESULT, RESULT);
    assertWhole(spans);
    const root = only(spans, 'POST /api/v1/documents');
    const [request] = await spansOf(asking, 'POST /api/v1/documents/:id/reprocess').then((all) =>
      all.filter((span) => span.kind === SERVER),
    );
    const sends = spans.filter((span) => span.name === 'send documents-fast');
    assert.deepEqual(
      sends.map((span) => [span.parentSpanId, span.links.map((link) => link.spanId)]),
      [
        [root.spanId, []],
        [root.spanId, [request?.spanId]],
      ],
    );
    const attempts = spans.filter((span) => span.kind === CONSUMER);
    assert.deepEqual(
      attempts.map((span) => span.attributes['ragbase.document.attempt']),
      [1, 2],
    );
  });

  it('show a search with its arms', async () => {
    const response = await service.call('/api/v1/search', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'high water', limit: 7 }),
    });
    const { traceId } = (await response.json()) as { traceId: string };
    assert.equal(response.headers.get('x-trace-id'), traceId);
    const spans = await spansOf(traceId, 'POST /api/v1/search', 'search');
    assertWhole(spans);
    const search = only(spans, 'search');
    assert.equal(search.attributes['gen_ai.operation.name'], 'retrieval');
    assert.equal(search.attributes['gen_ai.request.top_k'], 7);
    assert.deepEqual(
      spans.filter((span) => span.parentSpanId === search.spanId && span.kind === 1).map((span) => span.name),
      ['embed', 'sql keyword', 'sql vector', 'fuse', 'sql results'],
    );
    const queries = spans.filter((span) => span.attributes['db.system.name'] === 'postgresql');
    assert.ok(queries.some((span) => path(spans, span).includes('sql vector')));
    assert.deepEqual(path(spans, only(spans, 'embeddings all-MiniLM-L6-v2')).slice(1, 3), ['embed', 'search']);
  });

  it('leave probes and series out', async () => {
    const { metricsUrl, apiUrl, workerUrl } = service.stack;
    const sampled = { traceparent: `00-${'d'.repeat(32)}-${'e'.repeat(16)}-01` };
    for (const url of [metricsUrl, `${apiUrl}/health`, `${apiUrl}/live`, `${apiUrl}/ready`, `${workerUrl}/ready`]) {
      const response = await fetch(url, { headers: sampled });
      assert.equal(response.headers.get('x-trace-id'), null, url);
    }
    const marker = await service.call('/api/v1/stats');
    await spansOf(marker.headers.get('x-trace-id') ?? '', 'GET /api/v1/stats');
    assert.deepEqual(service.traces.spans('d'.repeat(32)), []);
    assert.ok(!service.traces.spans().some((span) => /health|live|ready|metrics/.test(span.name)));
  });
});

describe('the trace of a document that is retried', function suite() {
  this.timeout(180_000);
  let provider: EmbeddingsServer;
  let service: Service;
  before(async () => {
    provider = await startEmbeddingsServer();
    // Well, but for the one document: every attempt fails, and is worth another.
    const answer: Answer = (body, response) =>
      body.input.some((text) => text.includes('never')) ? respond(response, 503, {}) : numbersAnswer(body, response);
    provider.answers.push(...Array.from({ length: 1_000 }, () => answer));
    service = await startService({ ...provider.settings, RATE_LIMIT_MAX: '60' });
  });
  after(async () => {
    await service?.stop();
    await provider?.close();
  });

  it('has a further attempt, linked to the report of the failure before', async () => {
    const uploaded = (await (await service.upload('later.txt', `never ${randomUUID()}`)).json()) as ShownDocument;
    const attempts = () => service.traces.spans(uploaded.traceId).filter((span) => span.name === 'send documents-fast');
    await until(() => attempts().length >= 2, 120_000);
    const failure = () => service.traces.spans(uploaded.traceId).find((span) => span.name === FAILURE);
    await until(failure);
    const [first, second] = attempts();
    assert.equal(second?.parentSpanId, first?.parentSpanId);
    assert.deepEqual(
      second?.links.map((link) => [link.traceId, link.spanId]),
      [[uploaded.traceId, failure()?.spanId]],
    );
  });

  it('and that of a request over the limit has one span', async () => {
    let response: Response;
    do response = await service.call('/api/v1/stats');
    while (response.status === 200);
    assert.equal(response.status, 429);
    const traceId = response.headers.get('x-trace-id') ?? '';
    assert.equal(((await response.json()) as ShownDocument).traceId, traceId);
    await until(() => service.traces.spans(traceId).some((span) => span.kind === SERVER));
    const [span] = service.traces.spans(traceId).filter(({ kind }) => kind === SERVER);
    assert.deepEqual([span?.name, span?.isError], ['GET /api/v1/stats', false]);
    assert.equal(span?.attributes['http.response.status_code'], 429);
    assert.equal(span?.attributes['http.route'], '/api/v1/stats');
  });
});

function only(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const [span, ...others] = spans.filter((candidate) => candidate.name === name);
  assert.ok(span, `a span ${name}`);
  assert.equal(others.length, 0, `one span ${name}`);
  return span;
}

/** Names from a span up to its root. */
function path(spans: readonly ReceivedSpan[], span: ReceivedSpan): string[] {
  const parent = spans.find((candidate) => candidate.spanId === span.parentSpanId);
  return [span.name, ...(parent ? path(spans, parent) : [])];
}

/** One root, and no span whose parent is not there. */
function assertWhole(spans: readonly ReceivedSpan[]): void {
  const known = new Set(spans.map((span) => span.spanId));
  const tops = spans.filter((span) => span.parentSpanId === undefined || !known.has(span.parentSpanId));
  assert.deepEqual(
    tops.map((span) => [span.name, span.parentSpanId]),
    [[tops[0]?.name, undefined]],
  );
}

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const body = async <T = ShownDocument>(response: Response): Promise<T> => (await response.json()) as T;

describe('the whole service', function suite() {
  this.timeout(120_000);
  let service: Service;
  before(async () => {
    service = await startService({ MAX_FILE_SIZE_MB: '41' });
  });
  after(async () => {
    assert.equal(await service.stop(), true, 'every process ends by itself, with status 0');
  });

  const search = async (request: object) => {
    const response = await service.call('/api/v1/search', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    assert.equal(response.status, 200);
    return body<{ results: { documentId: string; name: string; text: string; metadata: object }[] }>(response);
  };

  it('takes a document, and finds it by meaning and by word', async () => {
    const response = await service.upload('otters.md', '# Otters\n\nSea otters crack urchins open with stones.', {
      collection: 'animals',
      metadata: '{"kind":"mammal"}',
    });
    assert.equal(response.status, 202);
    const uploaded = await body(response);
    assert.equal(response.headers.get('location'), `/api/v1/documents/${uploaded.id}`);
    assert.deepEqual([uploaded.status, uploaded.format, uploaded.lane], ['queued', 'md', 'fast']);
    const done = await service.settled(uploaded.id);
    assert.deepEqual([done.status, done.chunks, done.attempts], ['completed', 1, 1]);
    for (const mode of ['hybrid', 'vector', 'keyword']) {
      const { results } = await search({ query: 'which animal uses stones as tools', mode, collection: 'animals' });
      assert.equal(results[0]?.documentId, uploaded.id, mode);
      assert.deepEqual(results[0]?.metadata, { kind: 'mammal' });
    }
    assert.deepEqual((await search({ query: 'otters', filter: { kind: 'bird' } })).results, []);
  });

  it('makes one trace of a document, over both processes and without orphans', async () => {
    const uploaded = await body(await service.upload('trace.txt', `traced ${randomUUID()}`));
    await service.settled(uploaded.id);
    const named = (name: string) => service.traces.spans(uploaded.traceId).find((span) => span.name === name);
    const stored = 'PUT /internal/documents/:id/attempts/:attempt/result';
    const names = [
      'POST /api/v1/documents',
      'send documents-fast',
      'process documents-fast',
      'parse',
      'embed',
      'callback',
      stored,
      'store',
    ];
    await until(() => names.every(named));
    const spans = service.traces.spans(uploaded.traceId);
    const ids = new Set(spans.map((span) => span.spanId));
    const orphans = spans.filter((span) => span.parentSpanId !== undefined && !ids.has(span.parentSpanId));
    assert.deepEqual(
      orphans.map((span) => span.name),
      [],
    );
    assert.deepEqual(
      spans.filter((span) => span.parentSpanId === undefined).map((span) => span.name),
      ['POST /api/v1/documents'],
    );
    assert.equal(named('POST /api/v1/documents')?.attributes['http.route'], '/api/v1/documents');
    const underUpload = spans.filter((span) => span.parentSpanId === named('POST /api/v1/documents')?.spanId);
    assert.ok(
      underUpload.some((span) => span.attributes['db.system.name'] === 'postgresql'),
      'a pg span under the server span',
    );
    assert.equal(new Set(spans.map((span) => span.service)).size, 2);
    assert.ok(!spans.some((span) => /brpoplpush/i.test(span.name)), 'no span of a polling loop');
  });

  it('gives back the original bytes, and the chunks in order', async () => {
    const text = Array.from({ length: 400 }, (_, index) => `Paragraph ${index} is about number ${index}.`).join('\n\n');
    const uploaded = await body(await service.upload('long.txt', text));
    const done = await service.settled(uploaded.id);
    const content = await service.call(`/api/v1/documents/${uploaded.id}/content`);
    assert.equal(content.headers.get('content-disposition'), 'attachment; filename=long.txt');
    assert.equal(content.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(await content.text(), text);
    const ordinals: number[] = [];
    for (let cursor = ''; ; ) {
      const page = await body<{ items: { ordinal: number }[]; nextCursor: string | null }>(
        await service.call(`/api/v1/documents/${uploaded.id}/chunks?limit=3${cursor}`),
      );
      ordinals.push(...page.items.map((item) => item.ordinal));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    assert.ok(done.chunks > 3);
    assert.deepEqual(
      ordinals,
      Array.from({ length: done.chunks }, (_, index) => index),
    );
  });

  it('answers the same bytes with the document that exists, in each collection', async () => {
    const text = `the same ${randomUUID()}`;
    const first = await body(await service.upload('a.txt', text, { collection: 'one' }));
    const again = await service.upload('b.txt', text, { collection: 'one' });
    assert.equal(again.status, 200);
    const duplicate = await body(again);
    assert.deepEqual([duplicate.id, duplicate.duplicate, duplicate.name], [first.id, true, 'a.txt']);
    assert.equal((await service.upload('a.txt', text, { collection: 'two' })).status, 202);
  });

  it('takes one of many uploads of the same bytes at once', async () => {
    const text = `at once ${randomUUID()}`;
    const responses = await Promise.all(Array.from({ length: 8 }, () => service.upload('race.txt', text)));
    assert.equal(responses.filter((response) => response.status === 202).length, 1);
    const ids = await Promise.all(responses.map(async (response) => (await body(response)).id));
    assert.equal(new Set(ids).size, 1);
  });

  it('takes text as JSON, by any name that is safe to keep', async () => {
    const response = await service.call('/api/v1/documents', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        name: '../../etc/🦦 notes.md',
        content: `# Notes ${randomUUID()}`,
        metadata: { year: 2024 },
      }),
    });
    assert.equal(response.status, 202);
    const document = await body(response);
    assert.deepEqual([document.name, document.format], ['🦦 notes.md', 'md']);
    const upload = await service.upload('../../../etc/pässwörd 🦦.txt', randomUUID());
    assert.equal((await body(upload)).name, 'pässwörd 🦦.txt');
  });

  for (const [what, name, content, status, code] of [
    ['an empty file', 'empty.txt', '', 422, 'EMPTY_DOCUMENT'],
    [
      'a file of another kind than its name says',
      'photo.txt',
      new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa, 0, 0, 0, 0xd]),
      415,
      'UNSUPPORTED_FORMAT',
    ],
    ['a kind that is not supported', 'a.exe', randomBytes(100), 415, 'UNSUPPORTED_FORMAT'],
    ['a file over the limit', 'big.txt', 'x'.repeat(42 * 1024 * 1024), 413, 'FILE_TOO_LARGE'],
  ] as const) {
    it(`turns away ${what}`, async () => {
      const response = await service.upload(name, content);
      const error = await body<{ error: string; message: string; requestId: string }>(response);
      assert.deepEqual([response.status, error.error], [status, code]);
      assert.equal(error.requestId, response.headers.get('x-request-id'));
    });
  }

  for (const [what, init, status] of [
    ['no body', { method: 'POST' }, 415],
    ['broken JSON', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":' }, 400],
    [
      'a field too many',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"name":"a.txt","content":"x","size":1}',
      },
      400,
    ],
    [
      'a multipart body without a boundary',
      { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: 'x' },
      400,
    ],
  ] as [string, RequestInit, number][]) {
    it(`turns away ${what}`, async () => {
      assert.equal((await service.call('/api/v1/documents', init)).status, status);
    });
  }

  it('turns away a form without a file, and metadata that is no object', async () => {
    const form = new FormData();
    form.set('collection', 'x');
    assert.equal((await service.call('/api/v1/documents', { method: 'POST', body: form })).status, 400);
    const text = randomUUID();
    assert.equal((await service.upload('a.txt', text, { metadata: '[1]' })).status, 400);
    assert.equal((await service.upload('a.txt', text)).status, 202, 'what was turned away is not kept');
  });

  for (const [what, name, content] of [
    ['a truncated PDF', 'cut.pdf', '%PDF-1.7\n1 0 obj\n<< /Type /Catalog'],
    ['JSON that is none', 'broken.json', '{"a": [1, 2'],
  ] as const) {
    it(`fails ${what}, and lists it among the dead letters`, async () => {
      const uploaded = await body(await service.upload(name, content));
      const done = await service.settled(uploaded.id);
      assert.deepEqual([done.status, done.error?.code], ['failed', 'CORRUPT_FILE']);
      const { items } = await body<{ items: ShownDocument[] }>(
        await service.call('/api/v1/dead-letters?code=CORRUPT_FILE'),
      );
      assert.ok(items.some((item) => item.id === uploaded.id && item.traceId === uploaded.traceId));
    });
  }

  it('keeps nothing of an upload that stops half-way', async () => {
    const { port } = new URL(service.stack.apiUrl);
    const head = `POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nX-API-Key: ${service.stack.apiKey}\r\nContent-Length: 9999999\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n`;
    const part = `--b\r\nContent-Disposition: form-data; name="file"; filename="half.txt"\r\n\r\n${'half '.repeat(400_000)}`;
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(head + part, () => socket.destroy()));
      socket.on('error', reject).on('close', () => resolve());
    });
    const { items } = await body<{ items: ShownDocument[] }>(await service.call('/api/v1/documents?limit=200'));
    assert.ok(!items.some((item) => item.name === 'half.txt'));
    assert.equal((await service.call('/ready')).status, 200);
  });

  it('takes a 40 MB text, and lets it go while it is processed', async () => {
    const line = 'Forty megabytes of one sentence after the other, which is a long read. ';
    const response = await service.upload('huge.txt', line.repeat(Math.ceil((40 * 1024 * 1024) / line.length)));
    assert.equal(response.status, 202);
    const { id } = await body(response);
    const small = await body(await service.upload('small.txt', `small ${randomUUID()}`));
    assert.equal((await service.settled(small.id)).status, 'completed', 'others are not kept waiting');
    assert.equal((await service.call(`/api/v1/documents/${id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await service.call(`/api/v1/documents/${id}`)).status, 404);
  });

  it('tells of each change until the outcome', async () => {
    const uploaded = await body(await service.upload('events.txt', `events ${randomUUID()}`));
    const events = await (await service.call(`/api/v1/documents/${uploaded.id}/events`)).text();
    const statuses = [...events.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? '').status);
    assert.equal(statuses.at(-1), 'completed');
    const again = await (await service.call(`/api/v1/documents/${uploaded.id}/events`)).text();
    const logged = () =>
      service.lines
        .filter((line) => line.includes('"route":"/api/v1/documents/:id/events"') && line.includes(uploaded.id))
        .map((line) => Number(/"bytes":(\d+)/.exec(line)?.[1]));
    await until(() => logged().length === 2);
    assert.ok(
      logged().every((bytes) => bytes > again.length),
      'the log tells the bytes of a stream',
    );
    assert.match(again, /^event: status\nid: .*\ndata: .*"completed"/);
  });

  it('processes a document again when asked', async () => {
    const uploaded = await body(await service.upload('again.txt', `again ${randomUUID()}`));
    await service.settled(uploaded.id);
    const response = await service.call(`/api/v1/documents/${uploaded.id}/reprocess`, { method: 'POST' });
    assert.equal(response.status, 202);
    const done = await service.settled(uploaded.id);
    assert.deepEqual([done.status, done.attempts, done.traceId], ['completed', 1, uploaded.traceId]);
  });

  it('wants a key', async () => {
    const response = await fetch(new URL('/api/v1/documents', service.stack.apiUrl));
    assert.equal(response.status, 401);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/);
    const wrong = await service.call('/api/v1/documents', { headers: { 'x-api-key': 'wrong' } });
    assert.equal(wrong.status, 401);
    const headers = { authorization: `Bearer ${service.stack.apiKey}` };
    assert.equal((await fetch(new URL('/api/v1/stats', service.stack.apiUrl), { headers })).status, 200);
  });

  it('shows every series of the contract', async () => {
    const series = await (await fetch(service.stack.metricsUrl)).text();
    const worker = await (await fetch(new URL('/metrics', service.stack.workerUrl))).text();
    for (const name of [
      'http_requests_total',
      'http_request_duration_seconds_bucket',
      'documents_processed_total',
      'processing_queue_size',
      'processing_queue_oldest_seconds',
      'embedding_generation_duration_seconds_bucket',
      'document_ingest_duration_seconds_bucket',
      'search_duration_seconds_bucket',
      'rate_limited_requests_total',
    ])
      assert.match(series, new RegExp(`^${name}\\{`, 'm'));
    assert.match(worker, /^embedding_generation_duration_seconds_bucket\{provider="local",purpose="document"/m);
  });

  it('describes itself', async () => {
    const document = await body<{ paths: object }>(await service.call('/openapi.json'));
    assert.ok(Object.keys(document.paths).includes('/api/v1/search'));
    assert.match(await (await service.call('/docs')).text(), /swagger-ui/);
    assert.equal((await service.call('/docs/swagger-ui-bundle.js')).status, 200);
    assert.equal((await service.call('/docs/package.json')).status, 404);
  });
});

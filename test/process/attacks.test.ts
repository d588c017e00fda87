import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type ErrorBody, type Service, type ShownDocument, startService } from '../support/service.ts';

const MB = 1024 * 1024;

describe('classic attacks', function suite() {
  this.timeout(180_000);
  let service: Service;
  before(async () => {
    service = await startService({ MAX_FILE_SIZE_MB: '12' });
  });
  after(() => service?.stop());

  const postJson = (path: string, body: unknown) =>
    service.call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const uploadJson = (fields: object) =>
    postJson('/api/v1/documents', { name: 'a.txt', content: randomUUID(), ...fields });
  const search = (body: object) => postJson('/api/v1/search', { query: 'anything', ...body });
  async function assertRefused(response: Response, status: number, code: string): Promise<ErrorBody> {
    const body = (await response.json()) as ErrorBody;
    assert.deepEqual([response.status, body.error], [status, code]);
    assert.equal(body.requestId, response.headers.get('x-request-id'));
    assert.ok(body.message.length > 10);
    return body;
  }

  describe('path traversal', () => {
    it('drops the path of a file name, however it is written', async () => {
      for (const name of ['../../etc/passwd.txt', 'C:\\windows\\passwd.txt', '/passwd.txt', '..\\../passwd.txt']) {
        const response = await uploadJson({ name });
        assert.equal(((await response.json()) as ShownDocument).name, 'passwd.txt');
      }
      for (const name of ['..', '../', '.', '', ' ', '\0'])
        await assertRefused(await uploadJson({ name }), 400, 'INVALID_REQUEST');
      await assertRefused(await uploadJson({ collection: '../x' }), 400, 'INVALID_REQUEST');
    });
  });

  describe('header and log injection', () => {
    it('gives back no request id that is not safe', async () => {
      const safe = await service.call('/health', { headers: { 'x-request-id': 'my-id_1.2' } });
      assert.equal(safe.headers.get('x-request-id'), 'my-id_1.2');
      for (const id of [
        'a b',
        'x","level":"error',
        '<script>',
        'a'.repeat(129),
        '$'.concat('{jndi:ldap://x}'),
        '\u001b[31m'.slice(1),
      ]) {
        const response = await service.call('/api/v1/stats', { headers: { 'x-request-id': id } });
        assert.match(response.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
      }
      assert.ok(!service.lines.some((line) => line.includes('jndi') || line.includes('<script>')));
    });

    it('serves a file under a name that breaks out of no header', async () => {
      const name = 'a"; filename=evil.html\r\nSet-Cookie: x=y\r\n\r\n<script>\u202egnp.txt';
      const uploaded = (await (await uploadJson({ name })).json()) as ShownDocument;
      const content = await service.call(`/api/v1/documents/${uploaded.id}/content`);
      assert.match(content.headers.get('content-disposition') ?? '', /^attachment; filename=/);
      assert.equal(content.headers.get('set-cookie'), null);
      assert.equal(content.headers.get('x-content-type-options'), 'nosniff');
      assert.match(content.headers.get('content-type') ?? '', /^text\/plain/);
      assert.doesNotMatch(uploaded.name, /[\r\n\u202e]/);
    });

    it('serves a page as text, in no origin of ours', async () => {
      const response = await service.upload('page.html', `<html><script>alert("${randomUUID()}")</script></html>`);
      const { id } = (await response.json()) as ShownDocument;
      const content = await service.call(`/api/v1/documents/${id}/content`);
      assert.match(content.headers.get('content-type') ?? '', /^text\/plain/);
      assert.match(content.headers.get('content-security-policy') ?? '', /script-src 'self'/);
    });
  });

  describe('prototype pollution', () => {
    const polluting = '{"__proto__":{"polluted":true}}';

    it('is refused in metadata and filters, at any depth', async () => {
      const body = `{"name":"a.txt","content":"${randomUUID()}","metadata":`;
      for (const metadata of [polluting, `{"a":[${polluting}]}`])
        await assertRefused(await postJson('/api/v1/documents', `${body}${metadata}}`), 400, 'INVALID_REQUEST');
      await assertRefused(await service.upload('a.txt', randomUUID(), { metadata: polluting }), 400, 'INVALID_REQUEST');
      await assertRefused(
        await postJson('/api/v1/search', `{"query":"x","filter":${polluting}}`),
        400,
        'INVALID_REQUEST',
      );
      await assertRefused(
        await postJson('/api/v1/search', `{"query":"x","__proto__":{"limit":1}}`),
        400,
        'INVALID_REQUEST',
      );
      await assertRefused(await service.upload('a.txt', randomUUID(), { ['__proto__']: 'x' }), 400, 'INVALID_REQUEST');
    });

    it('comes of no other key', async () => {
      const metadata = { constructor: { prototype: { polluted: true } }, toString: 'x', hasOwnProperty: 1 };
      const response = await uploadJson({ metadata });
      assert.equal(response.status, 202);
      const { id, metadata: kept } = (await response.json()) as { id: string; metadata: object };
      assert.deepEqual(kept, metadata);
      await service.settled(id);
      const found = (await (await search({ filter: { toString: 'x' } })).json()) as {
        results: { documentId: string }[];
      };
      assert.deepEqual(found.results.map((result) => result.documentId), [id]); // biome-ignore format: one thought
      const other = (await (await uploadJson({})).json()) as { metadata: object };
      assert.deepEqual(other.metadata, {});
      const query = await service.call('/api/v1/documents?__proto__[limit]=1&constructor=1');
      await assertRefused(query, 400, 'INVALID_REQUEST');
    });
  });

  describe('injection of SQL and its likes', () => {
    const collection = `c-${randomUUID()}`;
    before(async () => {
      const response = await uploadJson({
        collection,
        content: 'the only lighthouse here',
        metadata: { owner: 'alice' },
      });
      await service.settled(((await response.json()) as ShownDocument).id);
    });
    const hits = async (body: object) => {
      const response = await search({ collection, mode: 'keyword', query: 'lighthouse', ...body });
      return response.status === 200
        ? ((await response.json()) as { results: unknown[] }).results.length
        : response.status;
    };

    for (const text of [
      `'; DROP TABLE documents; --`,
      `" OR "1"="1`,
      `' OR 1=1 --`,
      `\\'; SELECT pg_sleep(10); --`,
      `$1::text); DELETE FROM documents; --`,
      `x' & ! | ( <-> :*`,
      `"] || true || $["`,
      `\\" == 1 || 1 == 1 || $.\\"a`,
      `%' ESCAPE '!`,
      `\${7*7}{{7*7}}`,
    ])
      it(`is plain text wherever it stands: ${text}`, async () => {
        assert.equal(await hits({}), 1);
        const encoded = encodeURIComponent(text);
        for (const path of [
          `/api/v1/documents?collection=${encoded}`,
          `/api/v1/documents?cursor=${encoded}`,
          `/api/v1/documents?status=${encoded}`,
          `/api/v1/documents?limit=${encoded}`,
          `/api/v1/documents/${encoded}`,
          `/api/v1/documents/${encoded}/chunks`,
          `/api/v1/dead-letters?code=${encoded}`,
          `/api/v1/documents?${encoded}=1`,
        ])
          assert.equal((await service.call(path)).status, 400, path);
        const named = await uploadJson({ name: text, content: `${text} ${randomUUID()}`, metadata: { [text]: text } });
        assert.ok([202, 400].includes(named.status), String(named.status));
        await assertRefused(await uploadJson({ collection: text }), 400, 'INVALID_REQUEST');
        for (const filter of [{ [text]: 'x' }, { owner: text }, { owner: [text] }, { [`owner"${text}`]: 'alice' }])
          assert.equal(await hits({ filter }), 0, JSON.stringify(filter));
        assert.equal((await search({ collection, query: text })).status, 200);
        assert.equal(await hits({ filter: { owner: 'alice' } }), 1);
      });
  });

  describe('oversized requests', () => {
    it('are refused by the size of their parts', async () => {
      const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key${index}`, index]));
      for (const body of [
        { query: 'x'.repeat(4_097) },
        { query: '' },
        { limit: 101 },
        { limit: 1e99 },
        { filter: many },
        { filter: { a: Array.from({ length: 101 }, () => 1) } },
        { filter: { ['k'.repeat(129)]: 1 } },
        { filter: { a: 'v'.repeat(1_025) } },
      ])
        await assertRefused(await search(body), 400, 'INVALID_REQUEST');
      await assertRefused(await search({ query: 'x'.repeat(300_000) }), 413, 'FILE_TOO_LARGE');
      for (const fields of [
        { name: `${'n'.repeat(256)}.txt` },
        { collection: 'c'.repeat(129) },
        { metadata: { text: 'é'.repeat(10_000) } },
        { metadata: { ['k'.repeat(129)]: 1 } },
      ])
        await assertRefused(await uploadJson(fields), 400, 'INVALID_REQUEST');
      assert.equal((await service.call('/api/v1/documents?limit=100000')).status, 400);
      assert.equal((await service.call(`/api/v1/documents?cursor=${'a'.repeat(300)}`)).status, 400);
    });

    it('are refused by their depth', async () => {
      const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
      for (const levels of [40, 100_000]) {
        const body = `{"name":"a.txt","content":"x","metadata":{"a":${deep(levels)}}}`;
        const { details } = await assertRefused(await postJson('/api/v1/documents', body), 400, 'INVALID_REQUEST');
        assert.match(details?.[0]?.message ?? '', /levels deep/);
        await assertRefused(await postJson('/api/v1/search', deep(levels)), 400, 'INVALID_REQUEST');
      }
      const metadata = `{"a":${deep(20_000)}}`;
      await assertRefused(await service.upload('a.txt', randomUUID(), { metadata }), 400, 'INVALID_REQUEST');
    });

    it('are refused where they say their size, and where they do not', async () => {
      const large = 'x'.repeat(13 * MB);
      await assertRefused(await service.upload('a.txt', large), 413, 'FILE_TOO_LARGE');
      const boundary = 'b'.repeat(20);
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n`;
      const chunked = new Blob([head, large, `\r\n--${boundary}--\r\n`]).stream();
      const init = {
        method: 'POST',
        body: chunked,
        duplex: 'half',
        headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
      };
      await assertRefused(await service.call('/api/v1/documents', init as RequestInit), 413, 'FILE_TOO_LARGE');
      await assertRefused(await uploadJson({ content: 'x'.repeat(17 * MB) }), 413, 'FILE_TOO_LARGE');
    });

    it('are refused by the number of their parts', async () => {
      const fields = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`field${index}`, 'x']));
      await assertRefused(await service.upload('a.txt', randomUUID(), fields), 400, 'INVALID_REQUEST');
      await assertRefused(
        await service.upload('a.txt', randomUUID(), { metadata: 'x'.repeat(70_000) }),
        400,
        'INVALID_REQUEST',
      );
    });

    it('inflates no request beyond its limit', async () => {
      const body = gzipSync(`{"query":"${'x'.repeat(50 * MB)}"}`);
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      await assertRefused(
        await service.call('/api/v1/search', { method: 'POST', headers, body }),
        413,
        'FILE_TOO_LARGE',
      );
    });
  });

  describe('guessing', () => {
    it('ends soon, and takes nothing from whoever has the key at the same address', async () => {
      const statuses: number[] = [];
      for (let guess = 0; guess < 22; guess += 1) {
        const response = await service.call('/api/v1/stats', { headers: { 'x-api-key': `rb_${guess}` } });
        statuses.push(response.status);
        await response.body?.cancel();
      }
      assert.deepEqual(
        statuses.slice(0, 20),
        Array.from({ length: 20 }, () => 401),
      );
      const refused = await service.call('/api/v1/stats', { headers: { 'x-api-key': 'one more' } });
      await assertRefused(refused, 429, 'RATE_LIMITED');
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
      assert.equal((await service.call('/api/v1/stats')).status, 200);
      assert.ok(
        !service.lines.some((line) => line.includes('rb_1"') || line.includes(service.stack.apiKey)),
        'no key in a log',
      );
    });
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { sendRaw } from '../support/raw-http.ts';
import { type ErrorBody, type Service, type ShownDocument, startService } from '../support/service.ts';

describe('requests that no client would send', function suite() {
  this.timeout(180_000);
  let service: Service;
  before(async () => {
    service = await startService({ REQUEST_IDLE_TIMEOUT: '1s' });
  });
  after(() => service?.stop());

  describe('path traversal', () => {
    for (const path of [
      '/docs/..%2f..%2fpackage.json',
      '/docs/%2e%2e%2fpackage.json',
      '/docs/..%5c..%5cpackage.json',
      '/api/v1/documents/..%2f..%2f..%2fetc%2fpasswd',
      '/api/v1/documents/%2e%2e/stats',
      '/api/v1/documents/..%00/content',
      '/%c0%ae%c0%ae/etc/passwd',
    ])
      it(`leads nowhere: ${path}`, async () => {
        const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${service.stack.apiKey}\r\nConnection: close\r\n\r\n`;
        const answer = await sendRaw(service.stack.apiUrl, head);
        assert.ok([400, 404].includes(answer.status), String(answer.status));
        assert.doesNotMatch(answer.body, /root:|"dependencies"/);
      });
  });

  describe('headers', () => {
    it('are refused with a line break in one', async () => {
      const head = 'GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rSet-Cookie: b=c\r\n\r\n';
      assert.equal((await sendRaw(service.stack.apiUrl, head)).status, 400);
    });

    it('are refused by their size, and that of the address', async () => {
      const line = (path: string, header = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${header}\r\n`;
      for (const head of [
        line(`/${'a'.repeat(20_000)}`),
        line('/', `X-Large: ${'a'.repeat(20_000)}\r\n`),
        line('/', 'X-Many: 1\r\n'.repeat(5_000)),
      ]) {
        const answer = await sendRaw(service.stack.apiUrl, head);
        const body = JSON.parse(answer.body) as ErrorBody;
        assert.deepEqual([answer.status, body.error], [431, 'HEADERS_TOO_LARGE']);
        assert.match(answer.headers, new RegExp(`X-Request-Id: ${body.requestId}`));
      }
    });
  });

  describe('slow bodies', () => {
    const head = (type: string) =>
      `POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nX-API-Key: ${service.stack.apiKey}\r\nContent-Length: 1000\r\nContent-Type: ${type}\r\n\r\n`;
    for (const [kind, type, start] of [
      [
        'form',
        'multipart/form-data; boundary=b',
        '--b\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\n\r\nslow',
      ],
      ['JSON', 'application/json', '{"name":"slow.txt"'],
    ] as const)
      it(`are cut off, and leave nothing behind: ${kind}`, async () => {
        const answer = await sendRaw(service.stack.apiUrl, head(type), start);
        assert.deepEqual([answer.status, (JSON.parse(answer.body) as ErrorBody).error], [408, 'REQUEST_TIMEOUT']);
        const { items } = (await (await service.call('/api/v1/documents?limit=200')).json()) as {
          items: ShownDocument[];
        };
        assert.ok(!items.some(({ name }) => name === 'slow.txt'));
      });

    it('that do get on are read to their end', async () => {
      const text = `slow but steady ${randomUUID()}`;
      const body = async function* () {
        yield '{"name":"steady.txt","content":"';
        for (const word of text.split(' ')) {
          await delay(400);
          yield `${word} `;
        }
        yield '"}';
      };
      const init = {
        method: 'POST',
        duplex: 'half',
        body: ReadableStream.from(body()).pipeThrough(new TextEncoderStream()),
        headers: { 'content-type': 'application/json' },
      };
      assert.equal((await service.call('/api/v1/documents', init as RequestInit)).status, 202);
    });
  });

  describe('request smuggling', () => {
    const smuggled = 'GET /api/v1/stats HTTP/1.1\r\nHost: x\r\n\r\n';
    const post = (headers: string, body: string) =>
      `POST /api/v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}${smuggled}`;
    for (const [what, request] of Object.entries({
      'two ways to say the length': post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
      'two lengths': post('Content-Length: 0\r\nContent-Length: 5', 'aaaaa'),
      'a length that is none': post('Content-Length: +5', 'aaaaa'),
      'an encoding that looks like chunked': post('Transfer-Encoding: xchunked', '0\r\n\r\n'),
      'chunked, but not at the end': post('Transfer-Encoding: chunked, identity', '0\r\n\r\n'),
      'a space before the colon': post('Content-Length : 5', 'aaaaa'),
      'a header over two lines': post('Transfer-Encoding:\r\n chunked', '0\r\n\r\n'),
      'a bare line feed': `GET /health HTTP/1.1\nHost: x\n\n${smuggled}`,
      'a chunk size that overflows': post('Transfer-Encoding: chunked', 'fffffffffffffffff\r\n'),
      'two hosts': `GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n${smuggled}`,
      'no host': `GET /health HTTP/1.1\r\n\r\n${smuggled}`,
    }))
      it(`gets one refusal and no more: ${what}`, async () => {
        const answer = await sendRaw(service.stack.apiUrl, request);
        assert.deepEqual([answer.status, answer.answers], [400, 1]);
        assert.equal((JSON.parse(answer.body) as ErrorBody).error, 'INVALID_REQUEST');
        assert.match(answer.headers, /^Connection: close$/im);
      });
  });
});

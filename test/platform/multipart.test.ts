import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type MultipartOptions, readMultipart } from '../../src/platform/multipart.ts';
import { until } from '../support/until.ts';

type Outcome = { fields: Record<string, string>; name?: string; bytes?: string } | { code: unknown };
type OnFile = MultipartOptions['onFile'];

const invalid = { code: 'INVALID_REQUEST' };
const part = (headers: string, body = 'hello') => `--b\r\n${headers}\r\n\r\n${body}\r\n`;
const file = (name: string, body?: string) =>
  part(`Content-Disposition: form-data; name="file"; filename="${name}"`, body);
const field = (name: string, body?: string) => part(`Content-Disposition: form-data; name="${name}"`, body);
const END = '--b--\r\n';

describe('a multipart body', () => {
  let server: Server;
  let onFile: OnFile | undefined;
  let beforeRead: (request: IncomingMessage) => Promise<unknown>;
  let outcome: Promise<Outcome>;
  beforeEach(async () => {
    onFile = undefined;
    beforeRead = async () => undefined;
    outcome = new Promise((settle) => {
      server = createServer(async (request, response) => {
        await beforeRead(request);
        settle(await read(request, onFile).finally(() => response.end()));
      }).listen(0, '127.0.0.1');
    });
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  async function read(request: IncomingMessage, given: OnFile | undefined): Promise<Outcome> {
    let seen: { name?: string; bytes?: string } = {};
    const keep: OnFile = async (name, source) => {
      seen = { name, bytes: String(await buffer(source)) };
    };
    try {
      const fields = await readMultipart(request, { fileField: 'file', onFile: given ?? keep });
      return { fields: { ...fields }, ...seen };
    } catch (error) {
      return { code: (error as { code?: unknown }).code ?? error };
    }
  }

  /** Sends a body, announced as longer by `missing` bytes. */
  async function send(body: string, missing = 0): Promise<Socket> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    const length = Buffer.byteLength(body) + missing;
    const type = 'Content-Type: multipart/form-data; boundary=b';
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${type}\r\nContent-Length: ${length}\r\n\r\n${body}`);
    return socket;
  }

  it('gives its file and its fields', async () => {
    await send(field('a', '1') + file('dir/x.txt') + field('b', 'ö') + END);
    assert.deepEqual(await outcome, { fields: { a: '1', b: 'ö' }, name: 'dir/x.txt', bytes: 'hello' });
  });

  for (const [what, headers] of Object.entries({
    'of binary data': 'Content-Disposition: form-data; name="file"\r\nContent-Type: application/octet-stream',
    'of text': 'Content-Disposition: form-data; name="file"\r\nContent-Type: text/plain',
    'of no type': 'Content-Disposition: form-data; name="file"',
  }))
    it(`may have a file without a name, ${what}`, async () => {
      await send(part(headers) + END);
      assert.deepEqual(await outcome, { fields: {}, name: '', bytes: 'hello' });
    });

  it('may have fields of binary data', async () => {
    const headers = 'Content-Disposition: form-data; name="a"\r\nContent-Type: application/octet-stream';
    await send(part(headers, '1') + file('x') + END);
    assert.deepEqual(await outcome, { fields: { a: '1' }, name: 'x', bytes: 'hello' });
  });

  for (const [what, body] of Object.entries({
    'a file of another name': part('Content-Disposition: form-data; name="doc"; filename="x"') + END,
    'two files': file('x') + file('y') + END,
    'a field that is too long': field('a', 'x'.repeat(70_000)) + file('x') + END,
    'too many fields': field('a').repeat(20) + file('x') + END,
    'a field without a name': part('Content-Disposition: form-data') + file('x') + END,
    'no end': file('x').slice(0, -4),
    'half a part header': '--b\r\nContent-Disposition: form-da',
    'bare line feeds': file('x').replaceAll('\r\n', '\n') + END,
    nothing: '',
  }))
    it(`is refused with ${what}`, async () => {
      await send(body);
      assert.deepEqual(await outcome, invalid);
    });

  const refusals: Record<string, OnFile> = {
    'before it is read, at once': () => {
      throw invalid;
    },
    'before it is read': () => Promise.reject(invalid),
    'after its first bytes': async (_name, source) => {
      for await (const _piece of source) throw invalid;
    },
  };
  for (const [when, refuse] of Object.entries(refusals))
    it(`is refused by who reads its file: ${when}`, async () => {
      onFile = refuse;
      await send(file('x', 'hello '.repeat(100_000)) + END);
      assert.deepEqual(await outcome, invalid);
      // An error that nobody listens to comes a turn later, and would end the process.
      await new Promise((resolve) => setImmediate(resolve));
    });

  it('is read to its end where nobody reads its file', async () => {
    onFile = async () => undefined;
    await send(file('x', 'hello '.repeat(100_000)) + field('a', '1') + END);
    assert.deepEqual(await outcome, { fields: { a: '1' } });
  });

  for (const [what, missing] of Object.entries({ 'in its middle': 1_000, 'having sent it all': 0 }))
    it(`is refused where its client left before it was read, ${what}`, async () => {
      beforeRead = async (request) => {
        socket.destroy();
        await until(() => request.destroyed);
      };
      const socket = await send(file('x') + END, missing);
      assert.deepEqual(await outcome, invalid);
    });

  it('ends its reader where its client leaves in its middle', async () => {
    let reading: Readable | undefined;
    onFile = async (_name, source) => {
      reading = source;
      for await (const _piece of source) socket.destroy();
    };
    const socket = await send(file('x', 'hello '.repeat(10_000)), 1_000_000);
    assert.deepEqual(await outcome, invalid);
    assert.equal(reading?.destroyed, true);
  });

  it('settles at every length that it is cut to', async () => {
    const whole = field('a', '1') + file('x.txt') + field('b', '2') + END;
    for (let length = 0; length < whole.length - 4; length += 1) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      server.removeAllListeners('request');
      server.on('request', async (request, response) => {
        resolve(await read(request, undefined));
        response.end();
      });
      const socket = await send(whole.slice(0, length));
      assert.deepEqual(await promise, invalid, `cut to ${length}`);
      socket.destroy();
    }
  });
});

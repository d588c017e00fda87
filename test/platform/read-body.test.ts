import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { readBody } from '../../src/platform/read-body.ts';
import { until } from '../support/until.ts';

describe('a body that is read whole', () => {
  let server: Server;
  let beforeRead: (request: IncomingMessage) => Promise<unknown>;
  let onBytes: (bytes: number) => void;
  let outcome: Promise<{ text: string } | { code: unknown }>;
  beforeEach(async () => {
    beforeRead = async () => undefined;
    onBytes = () => undefined;
    outcome = new Promise((settle) => {
      server = createServer(async (request, response) => {
        await beforeRead(request);
        try {
          settle({ text: String(await readBody(request, { limit: 100_000, onBytes: (bytes) => onBytes(bytes) })) });
        } catch (error) {
          settle({ code: (error as { code?: unknown }).code });
        }
        response.end();
      }).listen(0, '127.0.0.1');
    });
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  function send(body: string | Buffer, { encoding = 'identity', missing = 0 } = {}): Socket {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    const length = Buffer.byteLength(body) + missing;
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: ${encoding}\r\nContent-Length: ${length}\r\n\r\n`);
    socket.write(body);
    return socket;
  }

  const text = 'text '.repeat(2_000);
  for (const [encoding, body] of Object.entries({
    identity: Buffer.from(text),
    gzip: gzipSync(text),
    deflate: deflateSync(text),
    br: brotliCompressSync(text),
    zstd: zstdCompressSync(text),
  }))
    it(`is counted as it comes, inflated: ${encoding}`, async () => {
      let counted = 0;
      onBytes = (bytes) => {
        counted += bytes;
      };
      send(body, { encoding });
      assert.deepEqual(await outcome, { text });
      assert.equal(counted, text.length);
    });

  for (const [what, body, encoding, code] of [
    ['that is too large', Buffer.alloc(200_000), 'identity', 'FILE_TOO_LARGE'],
    ['that inflates to too much', gzipSync(Buffer.alloc(200_000)), 'gzip', 'FILE_TOO_LARGE'],
    ['that is not compressed as it says', 'text', 'gzip', 'INVALID_REQUEST'],
    ['whose compression is cut off', gzipSync(text).subarray(0, 30), 'gzip', 'INVALID_REQUEST'],
    ['of a compression that is not known', 'text', 'constructor', 'UNSUPPORTED_FORMAT'],
  ] as const)
    it(`is refused ${what}`, async () => {
      send(body, { encoding });
      assert.deepEqual(await outcome, { code });
    });

  it('is refused by who counts it', async () => {
    onBytes = () => {
      throw Object.assign(new Error(), { code: 'FULL' });
    };
    send(text);
    assert.deepEqual(await outcome, { code: 'FULL' });
  });

  for (const [what, missing, when] of [
    ['in its middle', 10, 'while it is read'],
    ['in its middle', 10, 'before it is read'],
    ['having sent it all', 0, 'before it is read'],
  ] as const)
    it(`is refused where its client left ${what}, ${when}`, async () => {
      const leave = async (request: IncomingMessage) => {
        socket.destroy();
        await until(() => request.destroyed);
      };
      if (when === 'before it is read') beforeRead = leave;
      else onBytes = () => void socket.destroy();
      const socket = send(text, { missing });
      assert.deepEqual(await outcome, { code: 'INVALID_REQUEST' });
    });
});

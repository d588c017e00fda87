import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { listen } from '../../src/platform/http-server.ts';
import { createLifecycle } from '../../src/platform/lifecycle.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { until } from '../support/until.ts';

const HEAD = 'GET / HTTP/1.1\r\nHost: x\r\n';

describe('a server that closes', function suite() {
  this.timeout(30_000);
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  async function open(handler: RequestListener, options: { cutAfterMs?: number } = {}) {
    const { logger, lines } = memoryLogger();
    const lifecycle = createLifecycle({ logger, timeoutMs: 20_000, delayMs: 0 });
    lifecycle.started();
    const port = await listen(handler, {
      name: 'server',
      host: '127.0.0.1',
      port: 0,
      lifecycle,
      logger,
      keepAliveMs: 60_000,
      requestTimeoutMs: 0,
      ...options,
    });
    const warnings = () => lines.filter(({ level }) => level !== 'debug');
    return { lifecycle, port, warnings };
  }

  /** A connection, and what came over it. */
  async function dial(port: number, said = '') {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    const heard = { text: '', ended: false, socket };
    socket.on('data', (piece) => {
      heard.text += piece;
    });
    socket.on('close', () => {
      heard.ended = true;
    });
    await once(socket, 'connect');
    if (said !== '') socket.write(said);
    return heard;
  }

  it('ends at once those that never spoke, that spoke half, and that are idle', async () => {
    const { lifecycle, port, warnings } = await open((_request, response) => void response.end('hello'));
    const silent = await dial(port);
    const half = await dial(port, HEAD);
    const idle = await dial(port, `${HEAD}\r\n`);
    await until(() => idle.text.includes('hello'));
    const halfAgain = await dial(port, `${HEAD}\r\n`);
    await until(() => halfAgain.text.includes('hello'));
    halfAgain.socket.write(HEAD);
    const began = performance.now();
    assert.equal(await lifecycle.close(), true);
    assert.ok(performance.now() - began < 4_000);
    await until(() => [silent, half, idle, halfAgain].every(({ ended }) => ended));
    assert.deepEqual(warnings(), []);
  });

  it('answers what it has, however long that takes to make, and what it has not read yet', async () => {
    const release = Promise.withResolvers<void>();
    const seen: string[] = [];
    const { lifecycle, port, warnings } = await open(async (request, response) => {
      seen.push(request.url ?? '');
      await release.promise;
      response.end('made');
    });
    const slow = await dial(port, `${HEAD}\r\n`);
    await until(() => seen.length === 1);
    const waiting = await dial(port);
    waiting.socket.write(`${HEAD}\r\n`);
    const closing = lifecycle.close();
    await until(() => seen.length === 2);
    // Longer than a client may stand still: here it is us who let it wait.
    await delay(6_000);
    release.resolve();
    assert.equal(await closing, true);
    await until(() => slow.ended && waiting.ended);
    for (const { text } of [slow, waiting]) assert.match(text, /^HTTP\/1\.1 200.*made$/s);
    assert.match(waiting.text, /connection: close/i);
    assert.deepEqual(warnings(), []);
  });

  it('sends an answer to its end that is read slowly', async () => {
    const size = 32 * 1024 * 1024;
    const { lifecycle, port, warnings } = await open(
      (_request, response) => void response.end(Buffer.alloc(size, 'x')),
    );
    const reader = await dial(port, `${HEAD}\r\n`);
    reader.socket.once('data', () => reader.socket.pause());
    await until(() => reader.text.length > 0);
    const closing = lifecycle.close();
    await delay(1_000);
    assert.ok(reader.text.length < size);
    reader.socket.resume();
    assert.equal(await closing, true);
    await until(() => reader.ended);
    assert.equal(reader.text.split('\r\n\r\n')[1]?.length, size);
    assert.deepEqual(warnings(), []);
  });

  it('does not wait for a client that does not read its answer, or does not send its body, and says so', async () => {
    let begun = 0;
    const { lifecycle, port, warnings } = await open((request, response) => {
      begun += 1;
      if (request.method === 'POST') request.resume().once('end', () => response.end());
      else response.end(Buffer.alloc(32 * 1024 * 1024));
    });
    const unread = await dial(port, `${HEAD}\r\n`);
    unread.socket.pause();
    const reader = await dial(port, `${HEAD}\r\n`);
    await dial(port, `${HEAD.replace('GET', 'POST')}Content-Length: 10\r\n\r\nhal`);
    await until(() => begun === 3 && reader.text.length > 32 * 1024 * 1024);
    assert.equal(await lifecycle.close(), true);
    assert.deepEqual(
      warnings().map(({ level, message, server, connections }) => [level, message, server, connections]),
      [['warn', 'connections were cut at shutdown', 'server', 2]],
    );
  });

  it('does not wait for a body that goes on for ever after its answer', async () => {
    const { lifecycle, port } = await open((_request, response) => void response.end('enough'));
    const endless = await dial(port, `${HEAD.replace('GET', 'POST')}Transfer-Encoding: chunked\r\n\r\n`);
    const drip = setInterval(() => endless.socket.write('3\r\nabc\r\n'), 100);
    try {
      await until(() => endless.text.includes('enough'));
      assert.equal(await lifecycle.close(), true);
    } finally {
      clearInterval(drip);
    }
  });

  it('cuts what is still busy, where its clients try again', async () => {
    let begun = 0;
    const hang = () => {
      begun += 1;
    };
    const { lifecycle, port, warnings } = await open(hang, { cutAfterMs: 100 });
    await dial(port, `${HEAD}\r\n`);
    await dial(port, `${HEAD}\r\n`);
    await until(() => begun === 2);
    assert.equal(await lifecycle.close(), true);
    assert.equal(warnings()[0]?.['connections'], 2);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import express from 'express';
import { capConnections } from '../../src/platform/cap-connections.ts';
import { cutStalledAnswers } from '../../src/platform/cut-stalled-answers.ts';
import { endWithConnection } from '../../src/platform/end-with-connection.ts';
import { refuseSlowBodies } from '../../src/platform/slow-body.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';

describe('connections that take from others', () => {
  let recorded: RecordedTelemetry;
  let server: Server;
  let sockets: Socket[];
  beforeEach(() => {
    recorded = recordTelemetry();
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
    await recorded.stop();
  });

  async function serve(made: Server): Promise<void> {
    server = made.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  async function open(text = ''): Promise<Socket & { received: () => string }> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const pieces: Buffer[] = [];
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(text);
    return Object.assign(socket, {
      received: () => {
        for (let piece = socket.read(); piece !== null; piece = socket.read()) pieces.push(piece);
        return String(Buffer.concat(pieces));
      },
    });
  }
  const refusals = async (reason: string) =>
    (await recorded.points('requests_refused_total')).find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
  const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

  describe('by answers that wait for their turn', () => {
    const asked = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    beforeEach(() => {
      const made = createServer((request, response) => {
        if (request.url === '/at-once') response.end('ok');
      });
      cutStalledAnswers(made, { stallMs: 400 });
      return serve(made);
    });

    it('are cut where the one before never comes', async () => {
      const [, accepted] = await Promise.all([open(asked('/never') + asked('/at-once')), once(server, 'connection')]);
      await until(() => (accepted as [Socket])[0].destroyed);
    });

    it('stay where none waits, however long the one takes that is worked on', async () => {
      const [, accepted] = await Promise.all([open(asked('/at-once') + asked('/never')), once(server, 'connection')]);
      await delay(1_500);
      assert.equal((accepted as [Socket])[0].destroyed, false);
    });
  });

  describe('by answers that they do not read', () => {
    const SIZE = 16 * 1024 * 1024;
    beforeEach(() => {
      const made = createServer((_request, response) => void response.end(Buffer.alloc(SIZE, 'x')));
      cutStalledAnswers(made, { stallMs: 400 });
      return serve(made);
    });

    it('are cut, and counted', async () => {
      const [, accepted] = await Promise.all([open(GET), once(server, 'connection')]);
      const [connection] = accepted as [Socket];
      await until(() => connection.destroyed);
      assert.equal(await refusals('answer_not_read'), 1);
    });

    it('are cut although more and more waits for them', async () => {
      server.removeAllListeners('request').on('request', (_request, response) => {
        response.write(Buffer.alloc(SIZE));
        const beat = setInterval(() => response.write('more'), 20);
        response.once('close', () => clearInterval(beat));
      });
      const [, accepted] = await Promise.all([open(GET), once(server, 'connection')]);
      await until(() => (accepted as [Socket])[0].destroyed);
    });

    it('stay where they read on, however long it takes, and where nothing waits for them', async () => {
      const idle = await open();
      const reader = await open(GET);
      let read = 0;
      while (read < SIZE) {
        await once(reader, 'readable');
        read += reader.read()?.length ?? 0;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.ok(read > SIZE);
      idle.write(GET);
      await until(() => idle.received().startsWith('HTTP/1.1 200'));
      assert.equal(await refusals('answer_not_read'), 0);
    });
  });

  describe('by bodies that hardly arrive', () => {
    let closed = 0;
    beforeEach(async () => {
      const app = express();
      app.use(refuseSlowBodies({ idleMs: 60_000, least: { bytes: 10, windowMs: 400 }, lingerMs: 1_000 }));
      app.use((request, response) => {
        request.resume().once('end', () => response.end('whole'));
        request.once('close', () => {
          closed += 1;
        });
      });
      const made = createServer(app);
      endWithConnection(made);
      await serve(made);
    });
    const head = (length: number) => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

    it('get a 408, which is counted, and whoever reads the body is told', async () => {
      const socket = await open(head(1_000));
      const drip = setInterval(() => socket.write('x'), 100);
      await until(() => socket.received().includes('REQUEST_TIMEOUT'));
      clearInterval(drip);
      assert.match(socket.received(), /^HTTP\/1\.1 408 /);
      assert.equal(await refusals('body_too_slow'), 1);
      await until(() => closed === 1);
    });

    it('may take many times as long as is looked at, where they move', async () => {
      const socket = await open(head(200));
      const drip = setInterval(() => socket.write('xxxxx'), 50);
      await until(() => socket.received().includes('whole'));
      clearInterval(drip);
    });
  });

  describe('by their number', () => {
    const LARGE = Buffer.alloc(16 * 1024 * 1024);
    beforeEach(() => {
      const made = createServer((request, response) => {
        if (request.url === '/large') response.write(LARGE);
        else request.resume().once('end', () => response.end('ok'));
      });
      capConnections(made, { max: 3 });
      return serve(made);
    });

    it('are dropped, and counted', async () => {
      const [, , , late] = [await open(), await open('GET'), await open(), await open()];
      await once(late as Socket, 'close');
      assert.equal(await refusals('connections'), 1);
    });

    it('make room for who has something to ask', async () => {
      for (let silent = 0; silent < 3; silent += 1) await open();
      await until(async () => {
        const socket = await open(GET);
        await Promise.race([once(socket, 'close'), once(socket, 'readable')]);
        return socket.received().startsWith('HTTP/1.1 200');
      });
    });

    for (const [what, text] of [
      ['bodies that do not come', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n'],
      ['answers that nobody reads', GET.replace('/', '/large')],
    ] as const)
      it(`make room where they are kept for ${what}, though all of them are of one address`, async () => {
        for (let greedy = 0; greedy < 3; greedy += 1) await open(text);
        await until(async () => {
          const socket = await open(GET);
          await Promise.race([once(socket, 'close'), once(socket, 'readable')]);
          return socket.received().startsWith('HTTP/1.1 200');
        });
      });
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { limitPipelining } from '../../src/platform/limit-pipelining.ts';

describe('requests that are sent before others are answered', () => {
  const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  let waiting: ServerResponse[];
  const server = createServer(limitPipelining((_request, response) => void waiting.push(response), { max: 3 }));
  beforeEach(async () => {
    waiting = [];
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const open = () => connect((server.address() as AddressInfo).port, '127.0.0.1');

  it('are handled up to so many, then refused, and end the connection once the others are answered', async () => {
    const socket = open();
    const received = text(socket);
    const refused = once(server, 'request').then(() =>
      setImmediate(() => waiting.forEach((answer) => void answer.end('ok'))),
    );
    socket.write(GET.repeat(1000));
    await refused;
    const statuses = [...(await received).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual([statuses, waiting.length], [['200', '200', '200', '429'], 3]);
  });

  it('may be as many as they like, a few at a time', async () => {
    const socket = open();
    for (let time = 0; time < 5; time += 1) {
      socket.write(GET.repeat(2));
      while (waiting.length < 2) await once(server, 'request');
      for (const answer of waiting.splice(0)) answer.end('ok');
      await once(socket, 'data');
    }
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { endWithConnection } from '../../src/platform/end-with-connection.ts';
import { listen } from '../../src/platform/http-server.ts';
import { createLifecycle } from '../../src/platform/lifecycle.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { until } from '../support/until.ts';

describe('requests and answers', () => {
  let server: Server;
  let requests: IncomingMessage[];
  let answers: ServerResponse[];
  let handle: (request: IncomingMessage, response: ServerResponse) => void;
  beforeEach(async () => {
    requests = [];
    answers = [];
    server = createServer((request, response) => {
      requests.push(request.on('error', () => undefined));
      answers.push(response);
      handle(request, response);
    });
    endWithConnection(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  function send(text: string) {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.write(text));
    return socket.on('error', () => undefined).resume();
  }
  const head = (start: string, length = 0) => `${start} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

  it('that are pipelined before a CONNECT end with their connection', async () => {
    handle = (_request, response) => void response.write('begun');
    send(head('GET /1') + head('GET /2') + head('CONNECT x:1'));
    await until(() => answers.length === 2 && answers.every(({ closed }) => closed));
  });

  it('that were answered before their body was read end with their connection', async () => {
    handle = (request, response) => {
      request.on('data', () => undefined);
      response.setHeader('Connection', 'close');
      response.end();
    };
    send(`${head('POST /', 100)}half`);
    await until(() => requests[0]?.destroyed);
  });

  it('with an expectation that nobody knows are no exception', async () => {
    const { logger } = memoryLogger();
    const lifecycle = createLifecycle({ logger, delayMs: 0, timeoutMs: 5_000 });
    const answerEarly: typeof handle = (request, response) => {
      requests.push(request.on('error', () => undefined).on('data', () => undefined));
      response.setHeader('Connection', 'close');
      response.end();
    };
    const options = {
      name: 'test',
      host: '127.0.0.1',
      port: 0,
      logger,
      keepAliveMs: 5_000,
      requestTimeoutMs: 0,
      lifecycle,
    };
    const port = await listen(answerEarly, options);
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.resume().write('POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 100\r\n\r\nhalf');
    await until(() => requests[0]?.destroyed);
    await lifecycle.close();
  });

  it('that are over are left alone', async () => {
    handle = (request, response) => void request.resume().once('end', () => response.end());
    const socket = send('');
    for (let sent = 1; sent <= 20; sent += 1) {
      socket.write(head('GET /'));
      await until(() => answers.length === sent && answers.every(({ closed }) => closed));
    }
    let ended = 0;
    for (const request of requests) request.once('aborted', () => (ended += 1));
    socket.destroy();
    await until(() => requests[0]?.socket.destroyed);
    assert.equal(ended, 0);
  });
});

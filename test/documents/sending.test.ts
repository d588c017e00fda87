import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import express, { type Response } from 'express';
import type { DocumentRow } from '../../src/documents/document.ts';
import { streamEvents } from '../../src/documents/events.ts';
import { sendContent } from '../../src/documents/send-content.ts';
import { deleteDocument } from '../../src/documents/store.ts';
import { createWatcher, type DocumentWatcher } from '../../src/documents/watcher.ts';
import { errorResponse } from '../../src/platform/error-response.ts';
import { httpTelemetry } from '../../src/platform/http-telemetry.ts';
import { givenDocument, mustFind } from '../support/documents.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { resetSocket } from '../support/reset-socket.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { until } from '../support/until.ts';

/** More than the system buffers for a reader who stopped. */
const SIZE = 24 * 1024 * 1024;

describe('what is sent of a document', () => {
  const { logger, lines } = memoryLogger();
  let database: TestDatabase;
  let watcher: DocumentWatcher;
  let stopping: AbortController;
  let server: Server;
  let row: DocumentRow;
  let answers: Response[];
  before(async () => {
    database = await openTestDatabase({ dimensions: 4 });
  });
  after(() => database.close());
  beforeEach(async () => {
    lines.length = 0;
    answers = [];
    stopping = new AbortController();
    watcher = createWatcher({ pool: database.pool, intervalMs: 20, logger });
    const app = express();
    app.use(httpTelemetry({ logger, untraced: () => false }));
    app.use((_request, response, next) => {
      answers.push(response);
      next();
    });
    app.get('/:id/content', async ({ params }, response) => {
      row = await mustFind(database.pool, params.id);
      await sendContent(response, database.pool, row, () => void response.type('text/plain'));
    });
    app.get('/:id/events', async ({ params }, response) => {
      row = await mustFind(database.pool, params.id);
      streamEvents(response, row, { watcher, signal: stopping.signal });
    });
    app.use(errorResponse({ logger }));
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    watcher.close();
    server.closeAllConnections();
    server.close();
  });

  const port = () => (server.address() as AddressInfo).port;
  async function get(path: string, options: { method?: string; headers?: Record<string, string> } = {}) {
    const sent = request({ host: '127.0.0.1', port: port(), path, agent: false, ...options });
    sent.on('error', () => undefined).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  }
  /** What the log says of the only request. */
  async function logged() {
    await until(() => lines.length > 0 && answers.every(({ closed }) => closed));
    assert.deepEqual(
      lines.filter(({ level }) => level !== 'info'),
      [],
    );
    return lines.map(({ message, status }) => ({ message, status }));
  }
  const setStatus = (id: string, status: string) =>
    database.pool.query('UPDATE documents SET status = $2, updated_at = now() WHERE id = $1', [id, status]);

  describe('as a download', () => {
    let id: string;
    beforeEach(async () => {
      ({ id } = await givenDocument(database.pool, { text: 'x'.repeat(SIZE - 36) + crypto.randomUUID() }));
    });

    it('is whole, and no error where the client closes with the last byte', async () => {
      const socket = connect(port(), '127.0.0.1', () => socket.write(`GET /${id}/content HTTP/1.1\r\nHost: x\r\n\r\n`));
      let received = 0;
      socket.on('data', (piece) => {
        received += piece.length;
        if (received > SIZE) resetSocket(socket);
      });
      await once(socket, 'close');
      assert.deepEqual(await logged(), [{ message: 'request', status: 200 }]);
    });

    it('is announced to HEAD, and not read', async () => {
      const response = await get(`/${id}/content`, { method: 'HEAD' });
      assert.equal(response.headers['content-length'], String(SIZE));
      await once(response.resume(), 'end');
    });

    it('is a 499 and no error where the client leaves in its middle', async () => {
      const response = await get(`/${id}/content`);
      await once(response, 'readable');
      response.destroy();
      assert.deepEqual(await logged(), [{ message: 'request', status: 499 }]);
      assert.ok(Number(lines[0]?.['bytes']) < SIZE, 'what was sent, not what was announced');
    });

    it('holds little in memory for who does not read, and ends at once where its document is deleted', async () => {
      const socket = connect(port(), '127.0.0.1', () => socket.write(`GET /${id}/content HTTP/1.1\r\nHost: x\r\n\r\n`));
      socket.pause();
      await until(() => answers[0]?.writableNeedDrain);
      assert.ok((answers[0]?.writableLength ?? 0) <= 256 * 1024, `${answers[0]?.writableLength} bytes`);
      await deleteDocument(database.pool, id);
      let received = 0;
      socket.on('data', (piece) => {
        received += piece.length;
      });
      socket.resume();
      await once(socket, 'close');
      assert.ok(received < SIZE);
      assert.equal((await logged()).length, 1);
    });

    it('is a 404 where its document is deleted before its first byte', async () => {
      await database.pool.query('DELETE FROM document_parts WHERE document_id = $1', [id]);
      const response = await get(`/${id}/content`);
      assert.deepEqual(
        [response.statusCode, response.headers['content-type']],
        [404, 'application/json; charset=utf-8'],
      );
      await text(response);
    });
  });

  describe('as events', () => {
    let id: string;
    beforeEach(async () => {
      ({ id } = await givenDocument(database.pool));
    });
    const listeners = () => getEventListeners(stopping.signal, 'abort').length;

    it('ends with the outcome, and leaves nothing on what outlives it', async () => {
      const response = await get(`/${id}/events`);
      assert.equal(listeners(), 1);
      await setStatus(id, 'completed');
      assert.match(await text(response), /^event: status\n.*"queued".*\n\nevent: status\n.*"completed"[^\n]*\n\n$/s);
      assert.equal(listeners(), 0);
    });

    it('leaves nothing where its client leaves', async () => {
      (await get(`/${id}/events`)).destroy();
      await until(() => answers[0]?.closed);
      assert.equal(listeners(), 0);
    });

    it('leaves nothing where its client left before', async () => {
      const response = await get(`/${id}/events`);
      response.destroy();
      const [answer] = answers as [Response];
      await until(() => answer.closed);
      // `writeHead` of an answer that has begun throws.
      Object.defineProperty(answer, 'writeHead', { value: () => answer });
      streamEvents(answer, row, { watcher, signal: stopping.signal });
      assert.equal(listeners(), 0);
    });

    it('answers HEAD, and ends', async () => {
      const response = await get(`/${id}/events`, { method: 'HEAD' });
      assert.deepEqual([response.statusCode, response.headers['content-type']], [200, 'text/event-stream']);
      await once(response.resume(), 'end');
      assert.equal(listeners(), 0);
    });

    it('tells of a shutdown, last', async () => {
      const response = await get(`/${id}/events`);
      stopping.abort();
      assert.match(await text(response), /\n\nevent: shutdown\nretry: 1000\ndata: \{\}\n\n$/);
    });

    it('tells of a shutdown that had begun before', async () => {
      stopping.abort();
      assert.match(await text(await get(`/${id}/events`)), /^event: shutdown\n/);
    });

    it('tells of a deletion, last', async () => {
      const response = await get(`/${id}/events`);
      await deleteDocument(database.pool, id);
      assert.match(await text(response), /\n\nevent: deleted\ndata: \{\}\n\n$/);
    });

    it('is a 204 to who has seen the outcome', async () => {
      await setStatus(id, 'failed');
      const seen = /^id: (.*)$/m.exec(await text(await get(`/${id}/events`)))?.[1] ?? '';
      assert.equal((await get(`/${id}/events`, { headers: { 'last-event-id': seen } })).statusCode, 204);
      assert.equal((await get(`/${id}/events`, { headers: { 'last-event-id': 'other' } })).statusCode, 200);
    });

    it('piles nothing up for a slow reader, and tells it how things are when it reads on', async () => {
      const response = await get(`/${id}/events`);
      const [answer] = answers as [Response];
      Object.defineProperty(answer, 'writableNeedDrain', { value: true, configurable: true });
      const before = answer.writableLength;
      for (const status of ['processing', 'queued', 'completed']) {
        await setStatus(id, status);
        await new Promise((resolve) => watcher.watch(id, resolve));
      }
      assert.deepEqual([answer.writableLength, answer.writableEnded], [before, false]);
      Object.defineProperty(answer, 'writableNeedDrain', { value: false });
      assert.match(await text(response), /"queued".*"completed"[^\n]*\n\n$/s);
    });
  });
});

import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import express from 'express';
import request from 'supertest';
import { z } from 'zod';
import { endpoint } from '../../src/platform/endpoint.ts';
import { errorResponse, notFound } from '../../src/platform/error-response.ts';
import { DomainError } from '../../src/platform/errors.ts';
import { httpTelemetry } from '../../src/platform/http-telemetry.ts';
import { mountEndpoints } from '../../src/platform/mount-endpoints.ts';
import { openApiDocument } from '../../src/platform/openapi.ts';
import { requestId } from '../../src/platform/request-id.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';

const endpoints = [
  endpoint({
    method: 'get',
    path: '/things/:id',
    operationId: 'getThing',
    summary: 'Get a thing',
    tag: 'things',
    params: z.object({ id: z.coerce.number().int() }),
    query: z.strictObject({ size: z.coerce.number().max(10).default(1) }),
    answers: { 200: { description: 'It', schema: z.object({ id: z.number(), size: z.number() }) } },
    errors: ['INVALID_REQUEST', 'NOT_FOUND'],
    handle: ({ params, query }) => {
      if (params.id === 404) throw new DomainError('NOT_FOUND', 'no such thing');
      if (params.id === 500) throw new Error('the secret inside');
      return {
        status: 200,
        body: { id: params.id, size: query.size, traceId: trace.getActiveSpan()?.spanContext().traceId },
      };
    },
  }),
  endpoint({
    method: 'post',
    path: '/things',
    operationId: 'makeThing',
    summary: 'Make a thing',
    tag: 'things',
    body: z.strictObject({ name: z.string() }),
    answers: { 201: { description: 'Made' } },
    errors: ['INVALID_REQUEST', 'FILE_TOO_LARGE', 'UNSUPPORTED_FORMAT'],
    handle: () => ({ status: 201 }),
  }),
];

describe('the HTTP ladder', () => {
  const { logger, lines } = memoryLogger();
  let recorded: RecordedTelemetry;
  let server: Server;
  before(() => {
    recorded = recordTelemetry();
    const app = express();
    app.use(requestId({ limit: 128 }));
    app.use(httpTelemetry({ logger, untraced: (path) => path === '/health' }));
    app.get('/health', (_request, response) => void response.end());
    mountEndpoints(app, endpoints, { jsonLimit: 1000 });
    app.use(notFound);
    app.use(errorResponse({ logger }));
    server = app.listen(0, '127.0.0.1');
  });
  after(async () => {
    server.close();
    await recorded.stop();
  });
  const lastSpan = async (traceId: string | undefined) => {
    const find = () => recorded.spans().find((span) => span.spanContext().traceId === traceId);
    await until(find);
    return find();
  };

  it('answers, with its request and trace ids', async () => {
    const response = await request(server).get('/things/7?size=3').expect(200);
    assert.deepEqual(response.body, { id: 7, size: 3, traceId: response.get('X-Trace-Id') });
  });

  it('gives a request one server span by the stable conventions', async () => {
    const response = await request(server)
      .get('/things/7')
      .set('traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
    assert.equal(response.get('X-Trace-Id'), 'a'.repeat(32));
    const span = await lastSpan('a'.repeat(32));
    assert.equal(span?.kind, SpanKind.SERVER);
    assert.equal(span?.name, 'GET /things/:id');
    assert.equal(span?.parentSpanContext?.spanId, 'b'.repeat(16));
    assert.deepEqual(span?.attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'http.route': '/things/:id',
      'network.protocol.version': '1.1',
      'url.path': '/things/:id',
      'url.scheme': 'http',
    });
    assert.equal(span?.status.code, SpanStatusCode.UNSET);
  });

  it('does not tell a client what went wrong inside, and tells the log', async () => {
    const response = await request(server).get('/things/500').expect(500);
    assert.equal(response.body.error, 'INTERNAL');
    assert.doesNotMatch(JSON.stringify(response.body), /secret/);
    const span = await lastSpan(response.body.traceId);
    assert.equal(span?.status.code, SpanStatusCode.ERROR);
    assert.equal(span?.attributes['error.type'], 'Error');
    assert.ok(lines.some((line) => line.message === 'request failed'));
  });

  for (const [what, path, details] of [
    ['a parameter', '/things/x', 'path.id'],
    ['a query value', '/things/1?size=99', 'query.size'],
    ['a query name', '/things/1?colour=red', 'query'],
  ] as const) {
    it(`names ${what} that is not valid`, async () => {
      const { body } = await request(server).get(path).expect(400);
      assert.equal(body.error, 'INVALID_REQUEST');
      assert.equal(body.details[0].path, details);
    });
  }

  it('answers a body that is no JSON, too large, or of another kind', async () => {
    const post = () => request(server).post('/things');
    await post().type('json').send('{"name":').expect(400);
    await post()
      .send({ name: 'x'.repeat(2000) })
      .expect(413);
    await post().type('text').send('name').expect(415);
    await post().expect(400);
    await post().send({ name: 'x' }).expect(201);
  });

  it('answers 405 with what is allowed, and 404 elsewhere', async () => {
    const response = await request(server).delete('/things/1').expect(405);
    assert.equal(response.get('Allow'), 'GET, HEAD, OPTIONS');
    assert.equal((await request(server).get('/nothing')).body.error, 'NOT_FOUND');
    await request(server).get('/%E0%A4%A').expect(404);
    await request(server).get('/things/%E0%A4%A').expect(400);
  });

  it('labels series by route and known methods, whatever it is sent', async () => {
    for (let index = 0; index < 50; index += 1) await request(server).get(`/random/${Math.random()}`);
    await raw(server, 'BREW /things/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    const points = await recorded.points('http_requests_total');
    const paths = new Set(points.map((point) => point.labels['path']));
    const methods = new Set(points.map((point) => point.labels['method']));
    assert.deepEqual(
      [...paths].sort(),
      ['/health', '/things', '/things/:id', 'unmatched'].filter((path) => paths.has(path)),
    );
    assert.ok([...methods].every((method) => ['GET', 'POST', 'DELETE', '_OTHER'].includes(String(method))));
  });

  it('neither traces nor logs a probe, and counts it', async () => {
    const before = { spans: recorded.spans().length, lines: lines.length };
    const response = await request(server).get('/health').expect(200);
    assert.equal(response.get('X-Trace-Id'), undefined);
    await until(async () =>
      (await recorded.points('http_requests_total')).some((point) => point.labels['path'] === '/health'),
    );
    assert.deepEqual({ spans: recorded.spans().length, lines: lines.length }, before);
  });

  it('logs a line for each request', async () => {
    const id = 'access-log-1';
    await request(server).get('/things/404').set('X-Request-Id', id).expect(404);
    await until(() => lines.some((line) => line['requestId'] === id));
    const line = lines.find((candidate) => candidate['requestId'] === id);
    assert.deepEqual([line?.message, line?.['route'], line?.['status']], ['request', '/things/:id', 404]);
  });

  it('describes what it serves', () => {
    const document = JSON.parse(
      JSON.stringify(openApiDocument(endpoints, { title: 't', version: '1', description: 'd' })),
    );
    assert.equal(document.openapi, '3.1.0');
    assert.deepEqual(Object.keys(document.paths), ['/things/{id}', '/things']);
    const get = document.paths['/things/{id}'].get;
    assert.deepEqual(
      get.parameters.map((parameter: { name: string }) => parameter.name),
      ['id', 'size'],
    );
    assert.deepEqual(Object.keys(get.responses), ['200', '400', '401', '404', '429', '431', '500', '503']);
  });
});

function raw(server: Server, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.end(text));
    socket
      .on('error', reject)
      .on('close', () => resolve())
      .resume();
  });
}

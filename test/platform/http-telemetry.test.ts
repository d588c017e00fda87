import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Server, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Attributes, context, metrics, propagation, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace';
import express from 'express';
import { countStreamedBytes, httpTelemetry } from '../../src/platform/http-telemetry.ts';
import { requestId } from '../../src/platform/request-id.ts';
import { routePattern } from '../../src/platform/route-pattern.ts';
import { type LogLine, memoryLogger } from '../support/memory-logger.ts';
import { until } from '../support/until.ts';

describe('HTTP telemetry', () => {
  const { logger, lines } = memoryLogger();
  const exporter = new InMemorySpanExporter();
  const seen: { name: string; attributes: Attributes }[] = [];
  let sdk: NodeSDK;
  let server: Server;
  let port: number;

  before(async () => {
    for (const api of [trace, context, propagation, metrics]) api.disable();
    const everything = new AlwaysOnSampler();
    const watching: Sampler = {
      shouldSample: (_context, _traceId, name, _kind, attributes) => {
        seen.push({ name, attributes: { ...attributes } });
        return everything.shouldSample();
      },
    };
    sdk = new NodeSDK({
      sampler: watching,
      spanProcessors: [new SimpleSpanProcessor({ exporter })],
      metricReaders: [],
      logRecordProcessors: [],
      resourceDetectors: [],
    });
    sdk.start();
    const app = express();
    app.use(requestId({ limit: 128 }));
    app.use(httpTelemetry({ logger, untraced: () => false, patternOf: routePattern(['/things/:id', '/guarded/:id']) }));
    app.use('/guarded', (_request, response) => void response.status(429).end());
    app.all('/things/:id', (_request, response) => void response.json({}));
    app.get('/streams/:id', (_request, response) => {
      countStreamedBytes(response);
      response.write('begun');
      response.once('close', () => undefined);
    });
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await sdk.shutdown();
    for (const api of [trace, context, propagation, metrics]) api.disable();
  });
  beforeEach(() => {
    exporter.reset();
    seen.length = 0;
    lines.length = 0;
  });

  async function ask(method: string, path: string): Promise<ReadableSpan> {
    await new Promise<void>((resolve, reject) => {
      send({ port, host: '127.0.0.1', method, path }, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end();
    });
    await until(() => exporter.getFinishedSpans().length === 1);
    return exporter.getFinishedSpans()[0] as ReadableSpan;
  }

  it('gives a sampler what the conventions say it must be able to look at, and no raw path', async () => {
    await ask('GET', '/things/secret');
    assert.deepEqual(seen, [
      {
        name: 'GET',
        attributes: { 'http.request.method': 'GET', 'url.scheme': 'http' },
      },
    ]);
  });

  it('calls a method that no convention knows "HTTP" and "_OTHER"', async () => {
    const span = await ask('PROPFIND', '/things/7');
    assert.equal(span.name, 'HTTP /things/:id');
    assert.equal(span.attributes['http.request.method'], '_OTHER');
    assert.equal(span.attributes['http.request.method_original'], 'PROPFIND');
  });

  it('names a request that no route answers by its method alone', async () => {
    const span = await ask('GET', '/nowhere/secret');
    assert.equal(span.name, 'GET');
    assert.equal(span.attributes['http.route'], undefined);
    assert.equal(span.attributes['url.path'], 'unmatched');
  });

  it('names one that was refused before it came to its route by that route', async () => {
    const span = await ask('GET', '/Guarded/secret/?q=secret');
    assert.equal(span.name, 'GET /guarded/:id');
    exporter.reset();
    assert.equal((await ask('GET', '/guarded/secret/more')).name, 'GET');
  });

  it('logs a line of the span, with method, route, status, duration and bytes', async () => {
    const span = await ask('GET', '/things/7');
    await until(() => lines.length === 1);
    const [{ durationMs, timestamp, ...line } = lines[0] as LogLine] = lines;
    assert.ok(Number(durationMs) >= 0);
    assert.ok(Date.now() - Date.parse(String(timestamp)) < 60_000);
    assert.deepEqual(line, {
      level: 'info',
      message: 'request',
      trace_id: span.spanContext().traceId,
      span_id: span.spanContext().spanId,
      requestId: line['requestId'],
      method: 'GET',
      route: '/things/:id',
      status: 200,
      bytes: 2,
    });
  });

  it('counts what a stream has sent, and ends its span when the client leaves', async () => {
    const outgoing = send({ port, host: '127.0.0.1', path: '/streams/7' }).end();
    const [response] = await once(outgoing, 'response');
    await once(response, 'data');
    outgoing.destroy();
    await until(() => lines.length === 1);
    assert.ok(Number(lines[0]?.['bytes']) > 'begun'.length);
    assert.equal(exporter.getFinishedSpans()[0]?.name, 'GET /streams/:id');
  });
});

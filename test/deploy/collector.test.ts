import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../deploy/local/ports.ts';
import { until } from '../support/until.ts';
import { adapt, type CollectorProcess, OTELCOL, startCollector, writingConfig, written } from './collector-process.ts';
import { newTraceId, otlpSpans, type SentSpan } from './otlp-spans.ts';
import { expressions, read, seriesOf } from './static-files.ts';
import { temporaryFolder } from './temporary-folder.ts';

const RESOURCE = { 'service.name': 'ragbase-backend', 'host.name': 'planted-1', 'process.command_line': 'planted-2' };
const UPLOAD = { 'http.route': '/api/v1/documents', 'http.request.method': 'POST' };
const PLANTED = {
  'http.request.header.authorization': 'planted-3',
  'some.api_key': 'planted-4',
  'client.address': 'planted-5',
  'user_agent.original': 'planted-6',
  'url.query': 'planted-7',
  'url.full': 'https://example.org/v1?planted-8',
  'gen_ai.input.messages': 'planted-9',
};

describe('otel-collector.yaml, in a collector that runs', function suite() {
  // The decision about a trace is made after ten seconds, and series are written every fifteen.
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let collector: CollectorProcess;
  let jaeger: CollectorProcess | undefined;
  let ports: { grpc: number; http: number; spans: number; own: number; health: number; jaeger: number };
  let received: string;

  before(async function skipWithout() {
    if (OTELCOL === undefined) {
      process.stdout.write('    skipped: needs a collector in OTELCOL; test/deploy/compose-collector.sh builds one\n');
      return this.skip();
    }
    folder = await temporaryFolder();
    await mkdir(join(folder.path, 'queue'));
    received = join(folder.path, 'received.jsonl');
    const [grpc = 0, http = 0, spans = 0, own = 0, health = 0, other = 0] = await freePorts(6);
    ports = { grpc, http, spans, own, health, jaeger: other };
    await startJaeger();
    await start();
  });
  after(async () => {
    await collector?.stop();
    await jaeger?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  /** What stands for Jaeger: it takes the same protocol. */
  async function startJaeger() {
    const protocols = { grpc: { endpoint: `127.0.0.1:${ports.jaeger}` } };
    jaeger = await startCollector(writingConfig({ protocols, signal: 'traces', path: received }), {
      folder: folder.path,
      name: 'jaeger',
    });
  }
  async function start() {
    const config = adapt(read('otel-collector.yaml'), {
      '0.0.0.0:4317': `127.0.0.1:${ports.grpc}`,
      '0.0.0.0:4318': `127.0.0.1:${ports.http}`,
      '0.0.0.0:8889': `127.0.0.1:${ports.spans}`,
      '0.0.0.0:13133': `127.0.0.1:${ports.health}`,
      'host: 0.0.0.0': 'host: 127.0.0.1',
      'port: 8888': `port: ${ports.own}`,
      'jaeger:4317': `127.0.0.1:${ports.jaeger}`,
      '/var/lib/otelcol': join(folder.path, 'queue'),
    });
    collector = await startCollector(config, { folder: folder.path, name: 'collector' });
    await until(async () => (await fetch(`http://127.0.0.1:${ports.health}/`)).status === 200).catch((cause) => {
      throw new Error(collector.log(), { cause });
    });
  }
  async function send(spans: readonly SentSpan[]) {
    const response = await fetch(`http://127.0.0.1:${ports.http}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: otlpSpans(spans, RESOURCE),
    });
    assert.equal(response.status, 200);
  }
  const page = async (port: number) =>
    (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept: 'application/openmetrics-text' } })).text();
  const arrived = (traceId: string) => until(async () => (await written(received)).includes(traceId), 60_000);
  const upload = (traceId: string, attributes = {}): SentSpan => ({
    ...{ traceId, name: 'POST /api/v1/documents', durationMs: 20, attributes: { ...UPLOAD, ...attributes } },
  });

  it('passes on uploads, errors and what was slow, and a part of the rest; counts all; scrubs all', async () => {
    const kept: SentSpan[] = [
      upload(newTraceId(), PLANTED),
      { traceId: newTraceId(), name: 'GET /broken', durationMs: 5, attributes: {}, error: 'planted-10' },
      { traceId: newTraceId(), name: 'GET /slow', durationMs: 1500, attributes: {} },
    ];
    const rest = Array.from({ length: 200 }, () => ({
      ...{ traceId: newTraceId(), name: 'GET /fast', durationMs: 5, attributes: {} },
    }));
    await send([...kept, ...rest]);
    for (const { traceId } of kept) await arrived(traceId);
    const text = await written(received);
    const ofRest = rest.filter(({ traceId }) => text.includes(traceId)).length;
    assert.ok(ofRest < 80, `${ofRest} of ${rest.length}`);
    assert.doesNotMatch(text, /planted/);
    assert.match(text, /https:\/\/example\.org\/v1"/);
    assert.match(text, /"exception\.type"/);

    const counted = /^traces_span_metrics_calls_total\{[^}]*span_name="GET \/fast"[^}]*\} 200(\.0)?\b/m;
    await until(async () => counted.test(await page(ports.spans)), 60_000);
    assert.doesNotMatch(await page(ports.spans), /planted/);
  });

  it('leads from a bucket to the trace in it', async () => {
    const traceId = newTraceId();
    await send([upload(traceId)]);
    const exemplar = new RegExp(`^traces_span_metrics_duration_seconds_bucket\\{.*# \\{.*trace_id="${traceId}"`, 'm');
    await until(async () => exemplar.test(await page(ports.spans)), 60_000);
    // Only once it is decided about is a trace on its way to the disk: the next tests must not meet it there.
    await arrived(traceId);
  });

  it('reports the series that rules and dashboards read', async () => {
    const wanted = new Set(expressions().flatMap(({ expr }) => seriesOf(expr)));
    const ofCollector = [...wanted].filter((name) => /^(otelcol|traces_span_metrics)_/.test(name));
    assert.ok(ofCollector.length > 3);
    const text = (await page(ports.spans)) + (await page(ports.own));
    const missing = ofCollector.filter((name) => !new RegExp(`^${name}[ {]`, 'm').test(text));
    // There only once something was given up, after an hour.
    assert.deepEqual(missing, ['otelcol_exporter_send_failed_spans']);
  });

  it('keeps on disk what Jaeger did not take, over a crash of its own', async () => {
    const traceId = newTraceId();
    await jaeger?.stop();
    jaeger = undefined;
    await send([upload(traceId)]);
    const queued = /^otelcol_exporter_queue_size\{[^}]*otlp_grpc\/jaeger[^}]*\} [1-9]/m;
    await until(async () => queued.test(await page(ports.own)), 60_000);
    await collector.stop('SIGKILL');
    await start();
    await startJaeger();
    await arrived(traceId);
  });
});

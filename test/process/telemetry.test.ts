import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { FORMAT_NAMES } from '../../src/documents/formats.ts';
import { type EmbeddingsServer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type Collector, openCollector } from '../support/collector.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** The contract's, and those that an operator of the processes themselves needs. */
const BACKEND_SERIES = [
  'http_requests_total',
  'http_request_duration_seconds_bucket',
  'http_server_request_duration_seconds_bucket',
  'documents_processed_total',
  'document_ingest_duration_seconds_bucket',
  'processing_queue_size',
  'processing_queue_oldest_seconds',
  'embedding_generation_duration_seconds_bucket',
  'search_duration_seconds_bucket',
  'rate_limited_requests_total',
  'postgres_pool_connections',
  'postgres_pool_waiting_requests',
  'postgres_pool_max_connections',
  'db_client_operation_duration_seconds_bucket',
];
const PROCESS_SERIES = [
  'target_info',
  'telemetry_spans_lost_total',
  'log_lines_lost_total',
  'nodejs_eventloop_delay_p99_seconds',
  'nodejs_eventloop_utilization_ratio',
  'v8js_gc_duration_seconds_bucket',
  'v8js_memory_heap_used_bytes',
  'process_cpu_time_seconds_total',
  'process_memory_usage_bytes',
];

const text = async (url: string): Promise<string> => (await fetch(url)).text();

/** Every value that a label has. */
function valuesOf(series: string, label: string): string[] {
  return [...new Set([...series.matchAll(new RegExp(`[{,]${label}="([^"]*)"`, 'g'))].map(([, value = '']) => value))];
}

async function processed(service: Service, name: string): Promise<ShownDocument> {
  const uploaded = (await (await service.upload(name, `words ${randomUUID()}`)).json()) as ShownDocument;
  return service.settled(uploaded.id);
}

describe('the series of the service', function suite() {
  this.timeout(180_000);
  let service: Service;
  before(async () => {
    service = await startService();
    await processed(service, 'one.txt');
    await search(service);
    // The sizes of queues are read on a timer, the first time when Redis may not yet be there.
    await until(async () => /^processing_queue_size\{.*\} \d+$/m.test(await text(service.stack.metricsUrl)));
  });
  after(() => service?.stop());

  const metricsUrls = () => [service.stack.metricsUrl, `${service.stack.workerUrl}/metrics`];

  it('all have a value after one upload and one search', async () => {
    const [backend = '', worker = ''] = await Promise.all(metricsUrls().map(text));
    for (const name of [...BACKEND_SERIES, ...PROCESS_SERIES])
      assert.match(backend, new RegExp(`^${name}(\\{.*\\})? [0-9.e+-]+$`, 'm'), name);
    for (const name of [...PROCESS_SERIES, 'document_stage_duration_seconds_bucket', 'http_requests_total'])
      assert.match(worker, new RegExp(`^${name}(\\{.*\\})? [0-9.e+-]+$`, 'm'), name);
    assert.match(worker, /^embedding_generation_duration_seconds_count\{provider="local",purpose="document"\} 1$/m);
    assert.match(backend, /^postgres_pool_connections\{state="idle"\} \d+$/m);
  });

  it('count the requests of both ports of the backend, and count none twice', async () => {
    const stranger = { headers: { 'x-api-key': 'none of ours' } };
    await fetch(new URL('/internal/nothing', service.stack.metricsUrl));
    for (let sent = 0; sent < 5; sent += 1) await service.call('/api/v1/stats', stranger);
    const counts = async () => {
      const series = await text(service.stack.metricsUrl);
      return ['unmatched', '/api/v1/stats'].map((path) =>
        ['http_requests_total', 'http_request_duration_seconds_count'].map((name) =>
          Number(new RegExp(`^${name}\\{method="GET",path="${path}",status="401"\\} (\\d+)$`, 'm').exec(series)?.[1]),
        ),
      );
    };
    const expected = [
      [1, 1],
      [5, 5],
    ];
    for (let scrape = 0; scrape < 3; scrape += 1) assert.deepEqual(await counts(), expected);
  });

  it('are there before their first use, where their labels are known', async () => {
    const series = await text(service.stack.metricsUrl);
    for (const format of FORMAT_NAMES)
      for (const status of ['completed', 'failed'])
        assert.match(
          series,
          new RegExp(`^documents_processed_total\\{status="${status}",format="${format}",lane=`, 'm'),
        );
    assert.match(series, /^telemetry_spans_lost_total\{reason="queue_full"\} 0$/m);
    assert.match(series, /^http_requests_total\{method="POST",path="\/api\/v1\/search",status="503"\} 0$/m);
  });

  it('are what promtool calls clean', async function test() {
    if (spawnSync('promtool', ['--version']).error) return this.skip();
    for (const url of metricsUrls()) {
      const check = spawnSync('promtool', ['check', 'metrics'], { input: await text(url), encoding: 'utf8' });
      assert.deepEqual([check.status, check.stderr, check.stdout], [0, '', '']);
    }
  });

  it('do not grow with what clients make up', async () => {
    const throwAll = async (random: () => string) => {
      for (let index = 0; index < 60; index += 1) {
        const path = index % 2 ? `/${random()}/${random()}?${random()}=${random()}` : `/api/v1/documents/${random()}`;
        await raw(service.stack.apiUrl, { method: METHODS[index % METHODS.length] ?? 'GET', path });
        await raw(service.stack.workerUrl, { method: 'GET', path });
      }
      for (let index = 0; index < 5; index += 1) await service.upload(`a.${random()}`, randomBytes(50));
      await service.upload('a.txt', random(), { format: random() });
    };
    await throwAll(() => 'always-the-same');
    const before = await Promise.all(metricsUrls().map(text));
    await throwAll(() => randomBytes(6).toString('hex'));
    const after = await Promise.all(metricsUrls().map(text));
    const names = (series: string) => new Set(series.split('\n').map((line) => line.replace(/ [^ ]*$/, '')));
    for (const [index, series] of after.entries()) {
      const grown = names(series).difference(names(before[index] ?? ''));
      assert.deepEqual(
        [...grown].filter((line) => !/^(v8js|nodejs)_/.test(line)),
        [],
      );
    }
    const [backend = ''] = after;
    assert.deepEqual(
      valuesOf(backend, 'format').filter((format) => !(FORMAT_NAMES as string[]).includes(format)),
      [],
    );
    const known = [...METHODS.filter((method) => !RARE.includes(method)), 'POST', '_OTHER'];
    assert.deepEqual(
      valuesOf(backend, 'method').filter((method) => !known.includes(method)),
      [],
    );
    assert.ok(valuesOf(backend, 'method').includes('_OTHER'));
    assert.ok(valuesOf(backend, 'path').every((path) => path === 'unmatched' || /^\/[a-z0-9/:.-]*$/.test(path)));
  });

  it('and its logs tell more after SIGUSR2, and no more after another', async () => {
    const { pid } = service.stack.processes.find(({ name }) => name === 'worker') ?? {};
    assert.ok(pid);
    const changes = () =>
      service.lines.filter((line) => line.startsWith('worker ') && line.includes('"log level changed"'));
    process.kill(pid, 'SIGUSR2');
    await until(() => changes().length === 1);
    process.kill(pid, 'SIGUSR2');
    await until(() => changes().length === 2);
    assert.deepEqual(
      changes().map((line) => JSON.parse(line.slice('worker '.length)).to),
      ['debug', 'info'],
    );
  });
});

describe('with a collector', function suite() {
  this.timeout(180_000);
  let provider: EmbeddingsServer;
  before(async () => {
    provider = await startEmbeddingsServer();
  });
  after(() => provider?.close());

  /** With an embedding provider that is quick to start. */
  const startWith = (collector: Collector, env: NodeJS.ProcessEnv = {}) =>
    startService({
      ...provider.settings,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...env,
    });

  const linesWith = (service: Service, message: string) =>
    service.lines.filter((line) => line.includes(`"message":"${message}"`)).map((line) => line.split(' ')[0]);

  /** The service does its work, loses spans again and again, counts them, and each process says so once. */
  async function assertFailsOpen(service: Service): Promise<void> {
    assert.equal((await processed(service, 'fine.txt')).status, 'completed');
    for (let round = 1; round <= 3; round += 1) {
      const before = await lost(service);
      await Promise.all(Array.from({ length: 20 }, () => search(service)));
      await until(async () => (await lost(service)) > before, 30_000);
    }
    await until(() => linesWith(service, 'spans are lost').length >= 2);
    assert.deepEqual(linesWith(service, 'spans are lost').toSorted(), ['backend', 'worker']);
  }

  it('that is away, the service works, counts what is lost, and says so once', async () => {
    const collector = await openCollector();
    await collector.close();
    const service = await startWith(collector);
    try {
      await assertFailsOpen(service);
    } finally {
      assert.equal(await service.stop(), true, 'and it ends by itself, with status 0');
    }
  });

  it('that never answers, likewise', async () => {
    const collector = await openCollector('hang');
    const service = await startWith(collector);
    try {
      await assertFailsOpen(service);
    } finally {
      assert.equal(await service.stop(), true);
      await collector.close();
    }
  });

  it('that answers 500, likewise; and when it works again, it gets the spans from then on', async () => {
    const collector = await openCollector('refuse');
    const service = await startWith(collector);
    try {
      await assertFailsOpen(service);
      collector.behaviour = 'take';
      const traceId = await search(service);
      await until(() => arrived(collector, traceId));
      await until(() => linesWith(service, 'spans arrive again').includes('backend'));
    } finally {
      assert.equal(await service.stop(), true);
      await collector.close();
    }
  });

  it('it gets what the standard sampler lets through, and what a trusted caller decided', async () => {
    const collector = await openCollector();
    const service = await startWith(collector, {
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
      TRUST_TRACE_CONTEXT: 'true',
    });
    try {
      const dropped = await search(service);
      const chosen = randomBytes(16).toString('hex');
      assert.equal(await search(service, { traceparent: `00-${chosen}-${'c'.repeat(16)}-01` }), chosen);
      await until(() => arrived(collector, chosen));
      assert.ok(!arrived(collector, dropped));
      const line = service.lines.find((candidate) => candidate.includes(dropped)) ?? '';
      assert.match(line, /"request"/, 'logs have its id all the same');
    } finally {
      await service.stop();
      await collector.close();
    }
  });
});

/** @returns the id of its trace. */
async function search(service: Service, headers: Record<string, string> = {}): Promise<string> {
  const response = await service.call('/api/v1/search', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: 'words', mode: 'hybrid' }),
  });
  assert.equal(response.status, 200);
  return ((await response.json()) as { traceId: string }).traceId;
}

const arrived = (collector: Collector, traceId: string): boolean =>
  collector.bodies.some((body) => body.includes(traceId));

async function lost(service: Service): Promise<number> {
  const series = await text(service.stack.metricsUrl);
  const [, value] = /^telemetry_spans_lost_total\{reason="export_failed"\} (\d+)$/m.exec(series) ?? [];
  return Number(value);
}

/** Methods that Node's parser knows and no convention does. */
const RARE = ['PROPFIND', 'MKCOL', 'M-SEARCH', 'UNLINK'];
const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', ...RARE];

/** By hand, as `fetch` refuses some methods. */
function raw(base: string, options: { method: string; path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    request(new URL(base), options, (response) => response.resume().on('end', resolve))
      .on('error', reject)
      .end();
  });
}

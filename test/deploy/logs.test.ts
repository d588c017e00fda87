import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../deploy/local/ports.ts';
import { until } from '../support/until.ts';
import { adapt, type CollectorProcess, OTELCOL, startCollector, writingConfig, written } from './collector-process.ts';
import { logLine } from './container-logs.ts';
import { newTraceId } from './otlp-spans.ts';
import { type Loose, read } from './static-files.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Loki itself, for those tests that ask it. */
const LOKI = process.env['LOKI'];

/** A line as our processes write it. */
const ourLine = (fields: object): string =>
  JSON.stringify({ timestamp: new Date().toISOString(), level: 'info', message: 'a line', ...fields });

/** The collector of logs, on log files of the test. */
async function startLogsCollector(folder: string, loki: string): Promise<CollectorProcess> {
  await mkdir(join(folder, 'queue'), { recursive: true });
  const config = adapt(read('deploy/loki/logs-collector.yaml'), {
    '/var/log/containers': join(folder, 'containers'),
    '/var/lib/otelcol': join(folder, 'queue'),
    'loki:3100': loki,
  });
  return startCollector(config, { folder, name: 'logs-collector' });
}

describe('deploy/loki/logs-collector.yaml, in a collector that runs', function suite() {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let collector: CollectorProcess | undefined;
  let loki: CollectorProcess | undefined;
  let address: string;
  let received: string;

  before(async function skipWithout() {
    if (OTELCOL === undefined) return this.skip();
    folder = await temporaryFolder();
    received = join(folder.path, 'received.jsonl');
    const [port] = await freePorts(1);
    address = `127.0.0.1:${port}`;
    const protocols = { http: { endpoint: address, logs_url_path: '/otlp/v1/logs' } };
    loki = await startCollector(writingConfig({ protocols, signal: 'logs', path: received }), {
      folder: folder.path,
      name: 'loki',
    });
    collector = await startLogsCollector(folder.path, address);
  });
  after(async () => {
    await collector?.stop();
    await loki?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  const log = (service: string, line: string, project?: string) =>
    logLine(join(folder.path, 'containers'), { service, line, ...(project && { project }) });

  /** Each record that arrived, with the service that it is said to be of. */
  async function records(): Promise<{ service: string; record: Loose }[]> {
    const requests = (await written(received)).split('\n').filter(Boolean);
    const resources: Loose[] = requests.flatMap((line) => JSON.parse(line).resourceLogs);
    return resources.flatMap(({ resource, scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }: Loose) =>
        logRecords.map((record: Loose) => ({
          service: resource.attributes.map(({ key, value }: Loose) => `${key}=${value.stringValue}`).join(),
          record,
        })),
      ),
    );
  }
  async function recordOf(text: string): Promise<{ service: string; record: Loose }> {
    const found = async () => (await records()).find(({ record }) => record.body.stringValue.includes(text));
    await until(found, 60_000).catch((cause) => {
      throw new Error(collector?.log(), { cause });
    });
    const record = await found();
    assert.ok(record);
    return record;
  }

  it('sends a line as it was written, with its service, its level and its trace', async () => {
    const traceId = newTraceId();
    const line = ourLine({ message: 'otters', trace_id: traceId, span_id: 'b7ad6b7169203331', stage: 'parse' });
    await log('ai-worker', line);
    const { service, record } = await recordOf('otters');
    assert.equal(service, 'service.name=ai-worker');
    assert.equal(record.body.stringValue, line);
    assert.deepEqual([record.traceId, record.spanId], [traceId, 'b7ad6b7169203331']);
    assert.deepEqual(record.attributes, [{ key: 'level', value: { stringValue: 'info' } }]);
  });

  it('sends lines of other programs whole, and such as are not what they look like', async () => {
    for (const line of ['LOG:  checkpoint complete: seals', '{ broken seals', '{"level":7,"message":"numbered seals"}'])
      await log('postgres', line);
    for (const text of ['complete: seals', 'broken seals', 'numbered seals']) {
      const { service, record } = await recordOf(text);
      assert.equal(service, 'service.name=postgres');
      assert.deepEqual([record.attributes ?? [], record.traceId ?? ''], [[], '']);
    }
  });

  it('puts together what Docker has cut', async () => {
    const line = ourLine({ message: 'a long walrus', text: 'x'.repeat(40_000) });
    await log('backend', line);
    assert.equal((await recordOf('long walrus')).record.body.stringValue, line);
  });

  it('leaves the containers of others alone, also where one of ours speaks of them', async () => {
    await log('backend', 'a secret of others', 'elsewhere');
    await log('backend', '"com.docker.compose.project":"ragbase" of others', 'elsewhere');
    await log('backend', 'a line after theirs');
    await recordOf('a line after theirs');
    assert.ok((await records()).every(({ record }) => !record.body.stringValue.includes('of others')));
  });

  it('loses nothing while Loki is away and it is itself killed, and sends nothing twice', async () => {
    await loki?.stop();
    await log('backend', 'a line for later');
    await collector?.stop('SIGKILL');
    await log('backend', 'a line while nobody reads');
    const protocols = { http: { endpoint: address, logs_url_path: '/otlp/v1/logs' } };
    const config = writingConfig({ protocols, signal: 'logs', path: received });
    loki = await startCollector(config, { folder: folder.path, name: 'loki' });
    collector = await startLogsCollector(folder.path, address);
    await recordOf('a line for later');
    await recordOf('a line while nobody reads');
    const times = (await records()).filter(({ record }) => record.body.stringValue.includes('otters')).length;
    assert.equal(times, 1);
  });
});

describe('deploy/loki/loki.yaml, in a Loki that runs', function suite() {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let collector: CollectorProcess | undefined;
  let loki: ChildProcess | undefined;
  let address: string;

  before(async function skipWithout() {
    if (OTELCOL === undefined || LOKI === undefined) return this.skip();
    folder = await temporaryFolder();
    const [port, grpc] = await freePorts(2);
    address = `127.0.0.1:${port}`;
    const config = adapt(read('deploy/loki/loki.yaml'), {
      'http_listen_port: 3100': `http_listen_address: 127.0.0.1\n  grpc_listen_port: ${grpc}\n  http_listen_port: ${port}`,
      '/loki': join(folder.path, 'loki'),
    });
    await writeFile(join(folder.path, 'loki.yaml'), config);
    loki = spawn(LOKI, [`-config.file=${folder.path}/loki.yaml`], { stdio: 'ignore' });
    await until(async () => (await fetch(`http://${address}/ready`)).ok, 120_000);
    collector = await startLogsCollector(folder.path, address);
  });
  after(async () => {
    await collector?.stop();
    if (loki) {
      const exited = once(loki, 'exit');
      loki.kill();
      await exited;
    }
    await folder?.[Symbol.asyncDispose]();
  });

  const get = async (path: string): Promise<Loose> => {
    const response = await fetch(new URL(path, `http://${address}`));
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as Loose;
  };
  const query = async (expr: string): Promise<Loose[]> =>
    (await get(`/loki/api/v1/query_range?query=${encodeURIComponent(expr)}`)).data.result;

  it('finds the lines of a trace as Grafana asks for them, and keeps the id out of the labels', async () => {
    const traceId = newTraceId();
    const folderOfLogs = join(folder.path, 'containers');
    await logLine(folderOfLogs, { service: 'ai-worker', line: ourLine({ level: 'warn', trace_id: traceId, n: 1 }) });
    await logLine(folderOfLogs, { service: 'backend', line: ourLine({ trace_id: traceId, n: 2 }) });
    await logLine(folderOfLogs, { service: 'redis', line: 'ready to accept connections' });
    const ofTrace = `{service_name=~".+"} | trace_id="${traceId}"`;
    await until(async () => (await query(ofTrace)).length === 2, 60_000).catch((cause) => {
      throw new Error(collector?.log(), { cause });
    });
    await until(async () => (await query('{service_name="redis"}')).length === 1, 60_000);
    assert.equal((await query('{service_name="ai-worker", level="warn"}')).length, 1);
    assert.deepEqual((await get('/loki/api/v1/labels')).data.toSorted(), ['level', 'service_name']);
  });
});

/**
 * Clients hang up on uploads, downloads, searches and event streams, and delete documents, for as long as it is told,
 * while the heaps of both processes are looked at: they must be flat, and nothing may be in progress at the end.
 *   npm run soak -- --minutes 15
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Random, seededRandom } from '../chaos/random.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { CLIENTS, type Client, prepareDocuments } from './clients.ts';
import { type HeapSeries, judgeHeap, sampleHeaps, sumOf } from './heap.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '15' }, seed: { type: 'string', default: '1' } },
});
const say = (text: string) => process.stdout.write(`${text}\n`);
const megabytes = (bytes: number) => (bytes / 1024 ** 2).toFixed(1);

/** Between two things that a client does, at most, in ms. */
const PAUSE_MS = 50;
const node = ['--expose-gc', '--import', './test/soak/collect-garbage.ts', '--import', './telemetry/register.ts'];
const services = { backend: [...node, 'src/server.ts'], worker: [...node, 'src/worker.ts'], usesModel: true };

async function main(): Promise<boolean> {
  await using closers = new AsyncDisposableStack();
  const service = await startService({ LOG_LEVEL: 'error', OTEL_TRACES_EXPORTER: 'none' }, { services });
  closers.defer(async () => void (await service.stop()));
  await prepareDocuments(service);
  const end = new AbortController();
  const random = seededRandom(Number(values.seed));
  const done = new Map(Object.keys(CLIENTS).map((name) => [name, 0]));
  const clients = Promise.all(
    Object.entries(CLIENTS).map(([name, client]) =>
      repeat(client, service, random, { signal: end.signal, onDone: () => done.set(name, (done.get(name) ?? 0) + 1) }),
    ),
  );
  const { metricsUrl, workerUrl } = service.stack;
  const heaps = sampleHeaps(
    { backend: metricsUrl, worker: new URL('/metrics', workerUrl).href },
    { signal: end.signal, onSample: sayEachMinute },
  );
  await Promise.race([setTimeout(Number(values.minutes) * 60_000), clients, heaps]);
  end.abort();
  await clients;
  say([...done].map(([name, count]) => `${name} ${count}`).join(', '));
  await until(async () => (await sumOf(metricsUrl, 'http_bodies_in_progress')) === 0, 30_000);
  say('nothing is in progress');
  return (await heaps).map(report).every(Boolean);
}

async function repeat(
  client: Client,
  service: Service,
  random: Random,
  { signal, onDone }: { signal: AbortSignal; onDone: () => void },
): Promise<void> {
  while (!signal.aborted) {
    await client(service, random);
    onDone();
    await setTimeout(random() * PAUSE_MS);
  }
}

const SAMPLES_A_MINUTE = 6;

function sayEachMinute(series: readonly HeapSeries[]): void {
  const count = series[0]?.samples.length ?? 0;
  if (count % SAMPLES_A_MINUTE !== 0) return;
  const least = series.map(
    ({ name, samples }) => `${name} ${megabytes(Math.min(...samples.slice(-SAMPLES_A_MINUTE)))} MB`,
  );
  say(`  minute ${count / SAMPLES_A_MINUTE}: ${least.join(', ')}`);
}

function report(series: HeapSeries): boolean {
  const { first, last, isFlat } = judgeHeap(series);
  const trend = `first third ${megabytes(first)} MB, last third ${megabytes(last)} MB`;
  say(`${series.name}: ${trend}: ${isFlat ? 'flat' : 'GROWS (more than 5 % and 2 MB)'}`);
  return isFlat;
}

process.exitCode = (await main()) ? 0 : 1;

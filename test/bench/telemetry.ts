import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openCollector } from '../support/collector.ts';
import { load } from './telemetry/load.ts';
import type { Answers, Question } from './telemetry/serve.ts';

const ROUNDS = 9;
const ROUND_MS = 1_000;
/** A program that the compiler has not seen enough of costs several times as much. */
const WARM_UP_ANSWERS = 20_000;
const SCRAPES = 21;
const ROOT = join(import.meta.dirname, '../..');

interface Variant {
  name: string;
  program: string;
  /** Loaded before it. */
  before?: string;
  /** Part of the requests that are traced. */
  sampled: number;
}

const EVERYTHING_ON = join(import.meta.dirname, 'telemetry/everything-on.ts');

/** What is compared. The first is the measure of the others. */
const VARIANTS: readonly Variant[] = [
  { name: 'Express, no telemetry', program: 'bare.ts', sampled: 0 },
  { name: 'ours, 10 % traced', program: 'ours.ts', before: join(ROOT, 'telemetry/register.ts'), sampled: 0.1 },
  { name: 'everything on, 10 % traced', program: 'bare.ts', before: EVERYTHING_ON, sampled: 0.1 },
  { name: 'everything on, as it comes', program: 'bare.ts', before: EVERYTHING_ON, sampled: 1 },
  { name: '… and an access log', program: 'access-log.ts', before: EVERYTHING_ON, sampled: 1 },
  { name: 'Fastify + pino + prom-client', program: 'fastify.ts', sampled: 0 },
];

interface Server {
  name: string;
  port: number;
  ask(question: Question): Promise<Answers>;
  stop(): void;
}

interface Measured {
  cpuUs: number;
  perSecond: number;
}

/**
 * The cost of telemetry for a small GET, against the same app with none: CPU per request and throughput,
 * round by round in turn, so that what else the machine does strikes all alike. Then the time of a scrape.
 */
export async function bench(): Promise<void> {
  const collector = await openCollector();
  const servers = await Promise.all(VARIANTS.map((variant) => start(variant, collector.endpoint)));
  try {
    for (const server of servers) await warmUp(server);
    const rounds: Measured[][] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const measured: Measured[] = [];
      for (const server of servers) measured.push(await measure(server));
      rounds.push(measured);
    }
    report(servers, rounds);
    const ours = servers.find(({ name }) => name.startsWith('ours'));
    if (ours) for (const series of [1_000, 10_000]) await reportScrape(ours, series);
  } finally {
    for (const server of servers) server.stop();
    await collector.close();
  }
}

async function warmUp({ port }: Server): Promise<void> {
  for (let answers = 0; answers < WARM_UP_ANSWERS; ) answers += await load(port, ROUND_MS);
}

async function start(variant: Variant, collector: string): Promise<Server> {
  const before = variant.before === undefined ? [] : ['--import', pathToFileURL(variant.before).href];
  const child = fork(join(import.meta.dirname, 'telemetry', variant.program), {
    cwd: ROOT,
    execArgv: before,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      ...process.env,
      NODE_ENV: 'production',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: String(variant.sampled),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    },
  });
  const { port = 0 } = await answer(child);
  return {
    name: variant.name,
    port,
    ask: (question) => {
      const answered = answer(child);
      child.send(question);
      return answered;
    },
    stop: () => void child.kill(),
  };
}

async function answer(child: ChildProcess): Promise<Answers> {
  const [message] = await once(child, 'message');
  return message as Answers;
}

async function measure({ port, ask }: Server): Promise<Measured> {
  const before = await ask('cpu');
  const started = performance.now();
  const answers = await load(port, ROUND_MS);
  const seconds = (performance.now() - started) / 1000;
  const after = await ask('cpu');
  return { cpuUs: ((after.cpu ?? 0) - (before.cpu ?? 0)) / answers, perSecond: answers / seconds };
}

function report(servers: readonly Server[], rounds: readonly Measured[][]): void {
  for (const [index, { name }] of servers.entries()) {
    const own = rounds.map((round) => round[index] ?? NOTHING);
    const base = rounds.map((round) => round[0] ?? NOTHING);
    const ratio = (key: keyof Measured) =>
      median(own.map((measured, round) => measured[key] / (base[round] ?? NOTHING)[key]));
    const cpu = median(own.map(({ cpuUs }) => cpuUs));
    print(
      name,
      `CPU ${ratio('cpuUs').toFixed(2)} (${cpu.toFixed(0)} µs a request)`,
      `throughput ${ratio('perSecond').toFixed(2)}`,
    );
  }
}

const NOTHING: Measured = { cpuUs: Number.NaN, perSecond: Number.NaN };

async function reportScrape({ port, ask }: Server, series: number): Promise<void> {
  await ask({ series });
  const times: number[] = [];
  let lines = 0;
  for (let scrape = 0; scrape < SCRAPES; scrape += 1) {
    const started = performance.now();
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    times.push(performance.now() - started);
    lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  }
  print(`scrape of ${series} series`, `${median(times).toFixed(1)} ms`, `${lines} lines in all`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(name: string, ...columns: string[]): void {
  process.stdout.write(
    `${name.padEnd(30)}${columns.map((column) => column.padEnd(32)).join('')}`.trimEnd().concat('\n'),
  );
}

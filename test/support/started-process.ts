import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePorts } from '../../deploy/local/ports.ts';
import type { LogLine } from './memory-logger.ts';
import { until } from './until.ts';

export const TEST_KEY = 'a-key-of-this-test';

/** One process of ours, started by itself: nobody starts it again. */
export interface StartedProcess {
  child: ChildProcess;
  /** Its public address; of a worker, its only one. */
  url: string;
  internalUrl: string;
  /** What it wrote to standard output, parsed. */
  lines: LogLine[];
  /** Lines of standard output that were no JSON, and all of standard error. */
  others: string[];
  /** Exit status and signal. */
  exited: Promise<[number | null, NodeJS.Signals | null]>;
  /** Waits until it is ready. */
  ready(): Promise<void>;
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Sends SIGTERM, or another signal, and waits for its end: the exit status, null where a signal ended it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface StartOptions {
  entry?: 'server' | 'worker';
  env: NodeJS.ProcessEnv;
  /** Limit of open files (`ulimit -n`). */
  files?: number;
  /** Those of a run before, to follow it at the same address. */
  ports?: [number, number];
  /** The checkout that it runs; this one by default. */
  root?: string;
}

/** Starts a backend or a worker on free ports, without a provider of embeddings. It ends with the test's own process. */
export async function startProcess(options: StartOptions): Promise<StartedProcess> {
  const { entry = 'server', env, ports, files, root } = options;
  const [port = 0, internalPort = 0] = ports ?? (await freePorts(2));
  const node = [process.execPath, '--import', './telemetry/register.ts', `src/${entry}.ts`];
  const limit = files === undefined ? '' : `ulimit -n ${files}; `;
  const child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', ...node], {
    cwd: root ?? join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      PORT: String(port),
      INTERNAL_PORT: String(internalPort),
      WORKER_PORT: String(port),
      DATABASE_POOL_SIZE: '1',
      API_KEY: TEST_KEY,
      INTERNAL_TOKEN: 'a-token-of-this-test',
      RATE_LIMIT_MAX: '1000000',
      EMBEDDING_PROVIDER: 'openai',
      EMBEDDING_BASE_URL: 'http://127.0.0.1:9/v1',
      EMBEDDING_MODEL: 'none',
      EMBEDDING_DIMENSIONS: '3',
      OTEL_TRACES_EXPORTER: 'none',
      ...env,
    },
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.removeListener('exit', kill));
  const lines: LogLine[] = [];
  const others: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as LogLine);
    else others.push(line);
  });
  createInterface(child.stderr).on('line', (line) => others.push(line));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const url = `http://127.0.0.1:${port}`;
  const call = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, url), { ...init, headers: { 'x-api-key': TEST_KEY, ...init.headers } });
  return {
    child,
    url,
    internalUrl: `http://127.0.0.1:${internalPort}`,
    lines,
    others,
    exited,
    ready: () => until(async () => (await call('/ready')).status === 200, 60_000),
    call,
    end: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await exited)[0];
    },
  };
}

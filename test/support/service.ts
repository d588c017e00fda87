import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type OtlpReceiver, openOtlpReceiver } from '../../deploy/local/otlp-receiver.ts';
import { type Stack, type StackOptions, startStack } from '../../deploy/local/stack.ts';
import { createServerDatabase } from './server-database.ts';
import { until } from './until.ts';

/** A document as the API shows it, as far as tests look at it. */
export interface ShownDocument {
  id: string;
  name: string;
  status: string;
  format: string;
  lane: string;
  chunks: number;
  attempts: number;
  duplicate?: true;
  error?: { code: string; message: string };
  traceId: string;
  updatedAt: string;
}

/** What every error answers. */
export interface ErrorBody {
  error: string;
  message: string;
  requestId: string;
  details?: { path: string; message: string }[];
}

/** The whole service, as `npm start` runs it, in a folder of its own. */
export interface Service {
  stack: Stack;
  traces: OtlpReceiver;
  /** Every line that the processes wrote. */
  lines: string[];
  call(path: string, init?: RequestInit): Promise<Response>;
  upload(name: string, content: string | Uint8Array, fields?: Record<string, string>): Promise<Response>;
  document(id: string): Promise<ShownDocument>;
  /** Waits for the outcome of a document. */
  settled(id: string): Promise<ShownDocument>;
  stop(): Promise<boolean>;
}

/**
 * @param env settings beside the defaults; the rate limit is out of the way.
 * @param options.ports `configured` for those of `env`.
 * @param options.services other arguments of `node` than ragbase's own.
 */
export async function startService(
  env: NodeJS.ProcessEnv = {},
  options: Pick<StackOptions, 'ports' | 'services'> = {},
): Promise<Service> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ragbase-'));
  const traces = await openOtlpReceiver();
  const server = env['DATABASE_URL'] ? undefined : process.env['TEST_DATABASE_URL'];
  const database = server === undefined ? undefined : await createServerDatabase(server);
  const lines: string[] = [];
  const stack = await startStack({
    dataDir,
    ports: options.ports ?? 'free',
    ...(options.services && { services: options.services }),
    env: {
      ...process.env,
      RATE_LIMIT_MAX: '1000000',
      OTEL_EXPORTER_OTLP_ENDPOINT: traces.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '200',
      LOG_FORMAT: 'json',
      ...(database && { DATABASE_URL: database.url }),
      ...env,
    },
    onLine: (line) => lines.push(`${line.name} ${line.text}`),
  });
  const call = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, stack.apiUrl), { ...init, headers: { 'x-api-key': stack.apiKey, ...init.headers } });
  const document = async (id: string) => (await (await call(`/api/v1/documents/${id}`)).json()) as ShownDocument;
  return {
    stack,
    traces,
    lines,
    call,
    document,
    upload: (name, content, fields = {}) => {
      const form = new FormData();
      for (const [field, value] of Object.entries(fields)) form.set(field, value);
      form.set('file', new Blob([content as Uint8Array<ArrayBuffer>]), name);
      return call('/api/v1/documents', { method: 'POST', body: form });
    },
    settled: async (id) => {
      await until(async () => ['completed', 'failed'].includes((await document(id)).status), 120_000);
      return document(id);
    },
    stop: async () => {
      const clean = await stack.stop();
      await traces.close();
      await database?.close();
      await rm(resolve(dataDir), { recursive: true, force: true });
      return clean;
    },
  };
}

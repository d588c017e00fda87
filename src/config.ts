/** The one reader of the environment. Entries read its value; everything else takes options. */
import { readFileSync } from 'node:fs';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';

/** Which process reads: the ai-worker knows no database and no API key. */
export type Role = 'backend' | 'worker';

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
const count = (fallback: number, min = 1) => z.coerce.number().int().min(min).default(fallback);
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' });
const postgresUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'must look like postgres://user:password@host:5432/name',
});
const redisUrl = z.url({ protocol: /^rediss?$/, error: 'must look like redis://host:6379' });
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

const duration = z.string().transform((text, context) => {
  const value = /^\d+$/.test(text) ? Number(text) : (ms(text as StringValue) as number | undefined);
  if (value !== undefined && value >= 1000) return value;
  context.addIssue({ code: 'custom', message: 'must be a duration of a second or more, like "1 minute" or "30s"' });
  return z.NEVER;
});

/** `false`, a number of proxies, or a comma-separated list of addresses and CIDR ranges (Express `trust proxy`). */
const trustProxy = z
  .string()
  .default('false')
  .transform((text) => (text === 'false' || text === '' ? false : /^\d+$/.test(text) ? Number(text) : text));

/** Every setting of both processes, in the order of `.env.production.example`. */
export const SETTINGS = {
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: port(3000).describe('public port of the backend'),
  HOST: z.string().default('127.0.0.1').describe('address that the processes listen on'),
  INTERNAL_PORT: port(9464).describe('port of /metrics and /internal; never publish it'),
  WORKER_PORT: port(8000).describe('port of the ai-worker: health and metrics'),
  DATABASE_URL: postgresUrl.describe('Postgres with pgvector'),
  DATABASE_POOL_SIZE: count(10).describe('connections of one backend'),
  REDIS_URL: redisUrl.describe('Redis: the queue and the rate limit'),
  API_KEY: list.describe('API keys, comma-separated so that one can be rotated'),
  INTERNAL_TOKEN: z.string().min(1).describe('secret between ai-worker and backend'),
  METRICS_TOKEN: z.string().min(1).optional().describe('opens /metrics on the public port'),
  CALLBACK_URL: httpUrl.describe("the backend's internal address, for the ai-worker"),
  LOG_LEVEL: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
  LOG_FORMAT: z.enum(['json', 'pretty']).default('json'),
  RATE_LIMIT_MAX: count(100).describe('requests of one address in a window'),
  RATE_LIMIT_WINDOW: duration.prefault('1 minute').describe('a duration, like "1 minute"'),
  TRUST_PROXY: trustProxy.describe('proxies before the backend: their number, or their addresses'),
  CORS_ORIGIN: list.prefault('').describe('origins allowed by CORS, comma-separated; * for any'),
  MAX_FILE_SIZE_MB: z.coerce.number().positive().max(1024).default(50),
  OCR_ENABLED: z.stringbool().default(false).describe('read png, jpg and scanned pdf'),
  ALERT_WEBHOOK_URL: httpUrl.optional(),
  ALERT_THRESHOLD: count(5),
  SHUTDOWN_TIMEOUT_MS: count(30_000),
  QUEUE_MAX_DEPTH: count(10_000).describe('documents that may wait; beyond it uploads get 429'),
  MAX_ATTEMPTS: count(3),
  EMBEDDING_PROVIDER: z.enum(['local', 'openai']).default('local'),
  EMBEDDING_BASE_URL: httpUrl.optional().describe('an OpenAI-compatible API, up to and with /v1'),
  EMBEDDING_API_KEY: z.string().optional(),
  EMBEDDING_MODEL: z.string().min(1).optional(),
  EMBEDDING_DIMENSIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(2000)
    .optional()
    .describe('at most 2000, the limit of an HNSW index'),
  WORKER_CONCURRENCY_FAST: count(2),
  WORKER_CONCURRENCY_HEAVY: count(1),
  RAGBASE_DATA_DIR: z.string().min(1).default('.ragbase'),
} as const;

type Name = keyof typeof SETTINGS;
type Values = { [K in Name]: z.output<(typeof SETTINGS)[K]> };

/** Never printed; refused in production while they hold a placeholder. */
export const SECRETS: readonly Name[] = [
  'DATABASE_URL',
  'REDIS_URL',
  'API_KEY',
  'INTERNAL_TOKEN',
  'METRICS_TOKEN',
  'ALERT_WEBHOOK_URL',
  'EMBEDDING_API_KEY',
];

/** What the other process needs and this one must not have or need. */
const NOT_FOR = {
  backend: ['CALLBACK_URL', 'WORKER_PORT'],
  worker: ['DATABASE_URL', 'DATABASE_POOL_SIZE', 'API_KEY', 'METRICS_TOKEN', 'PORT', 'INTERNAL_PORT'],
} as const satisfies Record<Role, readonly Name[]>;

/** The settings of one process. */
export type Config<R extends Role> = Readonly<Omit<Values, (typeof NOT_FOR)[R][number]>>;

/** All that is wrong with the environment, in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(faults: readonly string[]) {
    super(`The configuration is not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

/**
 * Reads and checks every setting of a process.
 * @param env the environment; `NAME_FILE` reads a value from a file, as Docker secrets do.
 * @throws ConfigError that names every bad or missing value.
 */
export function readConfig<R extends Role>(role: R, env: NodeJS.ProcessEnv = process.env): Config<R> {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  const skipped: readonly Name[] = NOT_FOR[role];
  for (const name of Object.keys(SETTINGS) as Name[]) {
    if (skipped.includes(name)) continue;
    const raw = rawValue(name, env, faults);
    const parsed = SETTINGS[name].safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else if (raw === undefined) faults.push(`${name} is missing (${SETTINGS[name].description ?? 'required'})`);
    else faults.push(`${name}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  if (values['API_KEY'] && (values['API_KEY'] as string[]).length === 0) faults.push('API_KEY holds no key');
  if (values['EMBEDDING_PROVIDER'] === 'openai') {
    for (const name of ['EMBEDDING_BASE_URL', 'EMBEDDING_MODEL'] as const)
      if (values[name] === undefined) faults.push(`${name} is missing (EMBEDDING_PROVIDER=openai needs it)`);
  }
  if (values['NODE_ENV'] === 'production') faults.push(...productionFaults(values));
  if (faults.length > 0) throw new ConfigError(faults);
  return values as Config<R>;
}

function rawValue(name: Name, env: NodeJS.ProcessEnv, faults: string[]): string | undefined {
  const file = env[`${name}_FILE`];
  if (!file) return env[name] === '' ? undefined : env[name];
  if (env[name]) faults.push(`${name} and ${name}_FILE are both set; keep one`);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    faults.push(`${name}_FILE: the file can't be read`);
    return undefined;
  }
}

/** Placeholders of `.env.production.example` and secrets that can be guessed. */
function productionFaults(values: Record<string, unknown>): string[] {
  const faults: string[] = [];
  for (const name of SECRETS) {
    const texts = ([values[name] ?? []].flat() as string[]).filter(Boolean);
    if (texts.some((text) => /change-?me|placeholder|<.+>/i.test(text)))
      faults.push(`${name} still holds the placeholder of the example file`);
    else if (['API_KEY', 'INTERNAL_TOKEN', 'METRICS_TOKEN'].includes(name) && texts.some((text) => text.length < 24))
      faults.push(`${name} is shorter than 24 characters; make one with: openssl rand -hex 32`);
  }
  return faults;
}

/** Who may read /metrics on the public port. Not by address: behind a proxy every client has a private one. */
export function metricsAccess(config: Config<'backend'>): { token: string } | 'open' | 'hidden' {
  if (config.NODE_ENV !== 'production') return 'open';
  return config.METRICS_TOKEN === undefined ? 'hidden' : { token: config.METRICS_TOKEN };
}

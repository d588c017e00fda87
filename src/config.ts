/** The one reader of the environment. Entries read its value; everything else takes options. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import * as type from './setting-types.ts';

/** Which process reads: the ai-worker knows no database, no API key and no webhook. */
export type Role = 'backend' | 'worker';

/** Every setting of both processes, in the order of `.env.production.example`. */
export const SETTINGS = {
  NODE_ENV: z
    .enum(['development', 'test', 'production'])
    .default('development')
    .describe('production refuses placeholders and weak secrets, and hides /metrics'),
  PORT: type.port(3000).describe('public port of the backend'),
  HOST: z.string().default('127.0.0.1').describe('address that the processes listen on'),
  INTERNAL_PORT: type.port(9464).describe('port of /metrics and /internal; never publish it'),
  WORKER_PORT: type.port(8000).describe('port of the ai-worker: health and metrics'),
  DATABASE_URL: type.postgresUrl.describe('Postgres with pgvector'),
  DATABASE_PASSWORD: type.password.describe('for a DATABASE_URL that has none: any characters, as they are'),
  DATABASE_POOL_SIZE: type.count(10).describe('connections of one backend'),
  REDIS_URL: type.redisUrl.describe('Redis: the queue and the rate limit'),
  REDIS_PASSWORD: type.password.describe('for a REDIS_URL that has none: any characters, as they are'),
  API_KEY: type.secrets.describe(
    'API keys, comma-separated so that one can be rotated; API_KEY_FILE is read again when it changes',
  ),
  INTERNAL_TOKEN: type.secrets.describe(
    'secret between ai-worker and backend; of several, comma-separated, the first is sent and each accepted',
  ),
  METRICS_TOKEN: type.secrets.optional().describe('opens /metrics on the public port in production; one or several'),
  CALLBACK_URL: type.httpUrl.describe("the backend's internal address, for the ai-worker"),
  LOG_LEVEL: z.enum(['error', 'warn', 'info', 'debug']).default('info').describe('error, warn, info or debug'),
  LOG_FORMAT: z.enum(['json', 'pretty']).default('json').describe('json or pretty'),
  RATE_LIMIT_MAX: type.count(100).describe('requests of one address in a window'),
  RATE_LIMIT_WINDOW: type.duration.prefault('1 minute').describe('a duration, like "1 minute"'),
  TRUST_PROXY: type.trustProxy.describe('proxies before the backend: their number, or their addresses'),
  TRUST_TRACE_CONTEXT: z
    .stringbool()
    .default(false)
    .describe("whether the sampled flag of a caller's traceparent decides what is traced"),
  CORS_ORIGIN: type.origins
    .prefault('')
    .describe('origins of web pages that may call the API, comma-separated; * for any'),
  MAX_FILE_SIZE_MB: z.coerce.number().positive().max(1024).default(50).describe('largest document'),
  MAX_CONCURRENT_UPLOADS: type.count(20).describe('uploads that one backend takes at a time; beyond it they get 429'),
  MAX_CONNECTIONS: type.count(2_000).describe('connections that one backend takes at a time; further ones are dropped'),
  REQUEST_IDLE_TIMEOUT: type.duration
    .prefault('30 seconds')
    .describe('how long the body of a request may stand still before it is cut off'),
  KEEP_ALIVE_TIMEOUT: type.duration
    .prefault('150 seconds')
    .describe('how long a connection may wait for its next request; longer than a proxy keeps it'),
  OCR_ENABLED: z.stringbool().default(false).describe('read png, jpg and scanned pdf'),
  ALERT_WEBHOOK_URL: type.httpUrl
    .optional()
    .describe('where errors are reported to: Slack, Discord, Teams, or what takes JSON'),
  ALERT_THRESHOLD: type.count(5).describe('errors of one type within an hour that make an alert'),
  SHUTDOWN_TIMEOUT_MS: type.milliseconds(30_000).describe('longest shutdown, after the delay'),
  SHUTDOWN_DELAY_MS: type.delay.describe('how long all is served on after /ready says 503, so that balancers notice'),
  QUEUE_MAX_DEPTH: type.count(10_000).describe('documents that may wait in a lane; beyond it uploads get 429'),
  QUEUE_MAX_AGE: type.duration
    .prefault('6 hours')
    .describe('how long the first document of a lane may have waited; beyond it uploads get 429'),
  MAX_ATTEMPTS: type.count(3).describe('tries of a document that fails or kills its worker'),
  MAX_CHUNKS: type.count(20_000).describe('chunks that a document may become; one of more fails'),
  EMBEDDING_PROVIDER: z
    .enum(['local', 'openai'])
    .default('local')
    .describe('local: on this machine; openai: any OpenAI-compatible API'),
  EMBEDDING_BASE_URL: type.httpUrl.optional().describe('an OpenAI-compatible API, up to and with /v1'),
  EMBEDDING_API_KEY: type.secret.optional().describe('its key'),
  EMBEDDING_MODEL: z.string().min(1).optional().describe('its model'),
  EMBEDDING_DIMENSIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(2000)
    .optional()
    .describe('at most 2000, the limit of an HNSW index'),
  WORKER_CONCURRENCY_FAST: type.count(2).describe('light documents that an ai-worker has in hand'),
  WORKER_CONCURRENCY_HEAVY: type.count(1).describe('heavy documents that an ai-worker has in hand'),
  WORKER_STALL_TIMEOUT: type.duration
    .prefault('1 minute')
    .describe(
      'how long a lane may take no job while some wait; when that has lasted three times as long, the worker ends',
    ),
  RAGBASE_DATA_DIR: z.string().min(1).default('.ragbase').describe('data of npm start, and the built model'),
} as const;

export type Name = keyof typeof SETTINGS;
type Values = { [K in Name]: z.output<(typeof SETTINGS)[K]> };

/** Never printed; refused in production while they hold a placeholder. */
export const SECRETS: readonly Name[] = [
  'DATABASE_URL',
  'DATABASE_PASSWORD',
  'REDIS_URL',
  'REDIS_PASSWORD',
  'API_KEY',
  'INTERNAL_TOKEN',
  'METRICS_TOKEN',
  'ALERT_WEBHOOK_URL',
  'EMBEDDING_API_KEY',
];

/** What the other process needs and this one must not have or need. */
export const NOT_FOR = {
  backend: [
    ...(['CALLBACK_URL', 'WORKER_PORT'] as const),
    ...(['WORKER_CONCURRENCY_FAST', 'WORKER_CONCURRENCY_HEAVY', 'WORKER_STALL_TIMEOUT'] as const),
    ...(['MAX_CHUNKS'] as const),
  ],
  worker: [
    ...([
      'DATABASE_URL',
      'DATABASE_PASSWORD',
      'DATABASE_POOL_SIZE',
      'API_KEY',
      'METRICS_TOKEN',
      'PORT',
      'INTERNAL_PORT',
    ] as const),
    ...([
      'RATE_LIMIT_MAX',
      'RATE_LIMIT_WINDOW',
      'TRUST_PROXY',
      'TRUST_TRACE_CONTEXT',
      'CORS_ORIGIN',
      'MAX_FILE_SIZE_MB',
    ] as const),
    ...([
      'MAX_CONCURRENT_UPLOADS',
      'MAX_CONNECTIONS',
      'REQUEST_IDLE_TIMEOUT',
      'QUEUE_MAX_DEPTH',
      'QUEUE_MAX_AGE',
      'MAX_ATTEMPTS',
    ] as const),
    ...(['ALERT_WEBHOOK_URL', 'ALERT_THRESHOLD'] as const),
  ],
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

/** What a process would read of an environment, right or wrong. */
export interface Inspection {
  values: Readonly<Record<string, unknown>>;
  /** Each names its setting. */
  faults: readonly string[];
}

/**
 * Reads and checks every setting of a process.
 * @param env the environment; `NAME_FILE` reads a value from a file, as Docker secrets do.
 * @throws ConfigError that names every bad or missing value.
 */
export function readConfig<R extends Role>(role: R, env: NodeJS.ProcessEnv = process.env): Config<R> {
  const { values, faults } = inspectConfig(role, env);
  if (faults.length > 0) throw new ConfigError(faults);
  return values as Config<R>;
}

/** As `readConfig`, for whoever wants to see the faults and the rest. */
export function inspectConfig(role: Role, env: NodeJS.ProcessEnv = process.env): Inspection {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const name of settingsOf(role)) {
    const { name: label, text, fault } = given(name, env);
    const parsed = SETTINGS[name].safeParse(text);
    if (fault !== undefined) faults.push(fault);
    else if (parsed.success) values[name] = parsed.data;
    else if (text === undefined) faults.push(`${name} is missing (${SETTINGS[name].description ?? 'required'})`);
    else faults.push(`${label}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  for (const part of ['DATABASE', 'REDIS']) {
    const url = values[`${part}_URL`];
    if (typeof url === 'string') values[`${part}_URL`] = withPassword(url, values[`${part}_PASSWORD`]);
  }
  if (values['EMBEDDING_PROVIDER'] === 'openai') {
    for (const name of ['EMBEDDING_BASE_URL', 'EMBEDDING_MODEL'] as const)
      if (values[name] === undefined) faults.push(`${name} is missing (EMBEDDING_PROVIDER=openai needs it)`);
  }
  if (values['NODE_ENV'] === 'production') faults.push(...productionFaults(values));
  return { values, faults };
}

/** Whoever builds an URL from its parts, as a compose file does, can't encode them. */
function withPassword(address: string, password: unknown): string {
  const url = URL.parse(address);
  if (!url?.host || url.password !== '' || typeof password !== 'string') return address;
  url.password = encodeURIComponent(password);
  return url.href;
}

/** The settings that a process reads, in order. */
export function settingsOf(role: Role): Name[] {
  const skipped: readonly Name[] = NOT_FOR[role];
  return (Object.keys(SETTINGS) as Name[]).filter((name) => !skipped.includes(name));
}

/** Secrets of which several may be in force, so that one can be exchanged without a gap. */
export type KeysName = 'API_KEY' | 'INTERNAL_TOKEN' | 'METRICS_TOKEN';

/** Where keys come from. */
export interface KeySource {
  name: KeysName;
  /** What this file holds later is in force without a restart. */
  file: string | undefined;
  /** Reads them anew. Throws ConfigError as `readConfig` does, of these keys alone. */
  readKeys: () => readonly string[];
}

/** Where the keys of a process come from. */
export function keySource(name: KeysName, role: Role, env: NodeJS.ProcessEnv = process.env): KeySource {
  const readKeys = () => {
    const { values, faults } = inspectConfig(role, env);
    const ofKeys = faults.filter((fault) => fault.startsWith(name));
    if (ofKeys.length > 0) throw new ConfigError(ofKeys);
    return values[name] as string[];
  };
  return { name, file: env[`${name}_FILE`] || undefined, readKeys };
}

/** A password of its own, where its URL has none and it is in a file: read anew for each connection. */
function passwordSource(part: 'DATABASE' | 'REDIS', env: NodeJS.ProcessEnv): (() => string) | undefined {
  const file = env[`${part}_PASSWORD_FILE`];
  const url = URL.parse(given(`${part}_URL`, env).text ?? '');
  return file && url?.password === '' ? () => readSecret(file) : undefined;
}

/** What each connection to the database asks for its password, where that is in a file. */
export function databasePassword(env: NodeJS.ProcessEnv = process.env): (() => string) | undefined {
  return passwordSource('DATABASE', env);
}

/** The key of the embedding provider, read anew for each request where it is in a file. */
export function embeddingKey(env: NodeJS.ProcessEnv = process.env): (() => string | undefined) | undefined {
  const file = env['EMBEDDING_API_KEY_FILE'];
  return file ? () => readSecret(file) || undefined : undefined;
}

/** Where Redis is; asked at each connection, where the password is in a file. */
export function redisUrl(config: { REDIS_URL: string }, env: NodeJS.ProcessEnv = process.env): string | (() => string) {
  const password = passwordSource('REDIS', env);
  const bare = given('REDIS_URL', env).text ?? config.REDIS_URL;
  return password ? () => withPassword(bare, password()) : config.REDIS_URL;
}

/** What `npm run alert:test` needs, and no more. */
export function readAlertUrl(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const { name, text, fault } = given('ALERT_WEBHOOK_URL', env);
  const parsed = SETTINGS.ALERT_WEBHOOK_URL.safeParse(text);
  if (fault !== undefined) throw new ConfigError([fault]);
  if (!parsed.success)
    throw new ConfigError([`${name}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`]);
  return parsed.data;
}

/** The text of a setting, and how a fault of it is named: by the variable that it came from. */
interface Given {
  name: string;
  text: string | undefined;
  fault?: string;
}

function given(name: Name, env: NodeJS.ProcessEnv): Given {
  const file = env[`${name}_FILE`];
  if (!file) return { name, text: env[name] || undefined };
  const fault = (text: string): Given => ({ name: `${name}_FILE`, text: undefined, fault: text });
  if (env[name]) return { name, text: undefined, fault: `${name} and ${name}_FILE are both set; keep one` };
  try {
    const text = readSecret(file);
    // Optional ones may be empty: a compose file hands out a file for each.
    if (text === '' && !SETTINGS[name].safeParse(undefined).success) return fault(`${name}_FILE: the file is empty`);
    return { name: `${name}_FILE`, text: text || undefined };
  } catch (error) {
    // Not its path: that may be the secret itself, by mistake.
    return fault(`${name}_FILE: the file can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** Spaces may belong to a password; the end of its line does not. */
function readSecret(file: string): string {
  return readFileSync(file, 'utf8').replace(/[\r\n]+$/, '');
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
export function metricsAccess(config: Config<'backend'>): 'token' | 'open' | 'hidden' {
  if (config.NODE_ENV !== 'production') return 'open';
  return config.METRICS_TOKEN === undefined ? 'hidden' : 'token';
}

import type { EnvFile } from './env-file.ts';
import { type Finding, unless } from './finding.ts';

const REQUIRED = [
  'API_KEY',
  'INTERNAL_TOKEN',
  'POSTGRES_PASSWORD',
  'POSTGRES_MONITOR_PASSWORD',
  'REDIS_PASSWORD',
  'GRAFANA_ADMIN_PASSWORD',
] as const;
const OPTIONAL = ['METRICS_TOKEN'] as const;

const MIN_LENGTH = 24;
/** A random secret of that length has more; one of a word repeated has not. */
const MIN_DIFFERENT = 8;

/** Whether every secret is there, can't be guessed, and is used for one thing. */
export function checkSecrets(values: EnvFile): Finding[] {
  const missing = REQUIRED.filter((name) => !values[name]).map((name) => `${name} is not set`);
  const present = [...REQUIRED, ...OPTIONAL].flatMap((name) => secretsOf(values, name));
  const todo = 'make one with: openssl rand -hex 32';
  return [
    ...unless(missing, `${REQUIRED.length} required secrets are set`, todo),
    ...unless(
      present.filter(isWeak).map(({ name }) => `${name} is easy to guess`),
      'no secret is easy to guess',
      todo,
    ),
    ...unless(shared(present), 'each secret is used once', todo),
  ];
}

interface Secret {
  name: string;
  text: string;
}

/** Of which several may be in force. */
const LISTS = ['API_KEY', 'INTERNAL_TOKEN', 'METRICS_TOKEN'];

const secretsOf = (values: EnvFile, name: string): Secret[] =>
  (values[name] ?? '')
    .split(LISTS.includes(name) ? ',' : '\n')
    .map((text) => ({ name, text: text.trim() }))
    .filter(({ text }) => text !== '');

const isWeak = ({ text }: Secret): boolean => text.length < MIN_LENGTH || new Set(text).size < MIN_DIFFERENT;

function shared(secrets: readonly Secret[]): string[] {
  const names = Map.groupBy(secrets, ({ text }) => text);
  return [...names.values()]
    .filter((alike) => alike.length > 1)
    .map((alike) => `${alike.map(({ name }) => name).join(' and ')} are the same`);
}

/** `npm run config`: prints the settings that are in force for each process, and all that is wrong with them. */
import { ConfigError, inspectConfig, type Name, type Role, SECRETS, settingsOf } from './config.ts';
import { fingerprint } from './platform/secrets.ts';

/** What `npm start` makes where it is missing. */
const MADE_AT_START: readonly Name[] = ['DATABASE_URL', 'REDIS_URL', 'API_KEY', 'INTERNAL_TOKEN', 'CALLBACK_URL'];
const ROLES: Record<Role, string> = { backend: 'backend', worker: 'ai-worker' };

const faults = new Set<string>();
for (const role of Object.keys(ROLES) as Role[]) {
  const inspection = inspectConfig(role);
  process.stdout.write(`${ROLES[role]}\n`);
  for (const name of settingsOf(role)) {
    const isFaulty = inspection.faults.some((fault) => faultIsOf(fault, name));
    const isMade = isFaulty && source(name) === 'default' && MADE_AT_START.includes(name) && !isProduction();
    for (const fault of inspection.faults) if (!isMade && faultIsOf(fault, name)) faults.add(fault);
    const shown = isMade ? 'made by npm start' : isFaulty ? 'NOT USABLE' : show(name, inspection.values[name]);
    process.stdout.write(`  ${name.padEnd(26)} ${source(name).padEnd(11)} ${shown}\n`);
  }
}
if (faults.size > 0) {
  process.stderr.write(`\n${new ConfigError([...faults]).message}\n`);
  process.exitCode = 1;
}

function faultIsOf(fault: string, name: Name): boolean {
  return new RegExp(`^${name}(_FILE)?\\b`).test(fault);
}

function source(name: Name): 'file' | 'environment' | 'default' {
  if (process.env[`${name}_FILE`]) return 'file';
  return process.env[name] ? 'environment' : 'default';
}

function isProduction(): boolean {
  return process.env['NODE_ENV'] === 'production';
}

function show(name: Name, value: unknown): string {
  if (value === undefined) return '-';
  if (SECRETS.includes(name)) return [value].flat().map(mask).join(', ');
  if (URL.canParse(String(value)) && String(value).includes('@')) return mask(value);
  if (Array.isArray(value)) return value.join(', ') || '-';
  return name.endsWith('_WINDOW') || name.endsWith('_AGE') || name.endsWith('_TIMEOUT') ? `${value} ms` : String(value);
}

/** Enough to tell one secret from another: where a URL leads, and the fingerprint that logs show. */
function mask(secret: unknown): string {
  const url = URL.parse(String(secret));
  const masked = `******** (fingerprint ${fingerprint(String(secret))})`;
  return url?.host ? `${url.protocol}//${url.host}/${masked}` : masked;
}

import { inspectConfig, type Role } from '../../src/config.ts';
import type { EnvFile } from './env-file.ts';
import { type Finding, ok, unless, warn } from './finding.ts';

/** Whether both processes would start with what they get of the file. */
export function checkSettings(values: EnvFile): Finding[] {
  const env = environment(values);
  const faults = (['backend', 'worker'] as Role[]).flatMap((role) => inspectConfig(role, env).faults);
  return [
    ...unless([...new Set(faults)], 'both processes accept their settings', 'README.md says what each setting may be'),
    values['ALERTMANAGER_WEBHOOK_URL'] === 'none'
      ? warn('nobody hears of alerts: ALERTMANAGER_WEBHOOK_URL is none', 'give it the webhook of a chat or a pager')
      : ok('somebody hears of alerts'),
  ];
}

/** What the compose file sets where the file does not. */
export function environment(values: EnvFile): EnvFile {
  return {
    REDIS_URL: 'redis://redis:6379',
    DATABASE_URL: 'postgres://ragbase@postgres:5432/ragbase',
    DATABASE_PASSWORD: values['POSTGRES_PASSWORD'] ?? '',
    CALLBACK_URL: 'http://backends:9464',
    ...values,
    NODE_ENV: 'production',
  };
}

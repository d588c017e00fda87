import { compose, exampleSettings } from './static-files.ts';

/** What the example sets, each placeholder replaced by a secret of its own. */
export const filledSettings = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(exampleSettings())
      .filter(([, value]) => value !== '')
      .map(([name, value], index) => [name, value.replace('change-me', `${index}0123456789abcdef0123456789abcdef`)]),
  );

/** Compose's own `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
export function interpolate(text: string, env: Record<string, string>): string {
  const inner = /\$\{(\w+)(?::([-?])([^${}]*))?\}/;
  let result = text;
  for (let match = inner.exec(result); match; match = inner.exec(result)) {
    const [whole, name = '', kind, rest = ''] = match;
    const value = env[name] || (kind === '-' ? rest : '');
    if (kind === '?' && value === '') throw new Error(`${name} ${rest}`);
    result = result.replace(whole, () => value);
  }
  return result;
}

/** What a service of the compose file finds in its environment, and in the files that this names. */
export function environmentOf(service: string, env = filledSettings()): Record<string, string> {
  const given = compose().services[service].environment as Record<string, unknown>;
  const secrets = secretsOf(env);
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      const text = interpolate(String(value), env);
      if (!name.endsWith('_FILE')) return [[name, text]];
      return [[name.replace(/_FILE$/, ''), secrets.get(text.replace('/run/secrets/', '')) ?? '']];
    }),
  );
}

/** What is handed out as files. */
export function secretsOf(env: Record<string, string>): Map<string, string> {
  const lines = interpolate(compose().configs.secrets.content, env).trim().split('\n');
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

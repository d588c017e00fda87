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

/** What a service of the compose file finds in its environment. */
export function environmentOf(service: string, env = filledSettings()): Record<string, string> {
  const given = compose().services[service].environment as Record<string, unknown>;
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, interpolate(String(value), env)]));
}

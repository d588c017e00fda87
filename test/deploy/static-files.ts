import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../../deploy/local/root.ts';

/** A parsed YAML or JSON file of which a test looks at parts. */
// biome-ignore lint/suspicious/noExplicitAny: files of other programs, whose whole shape is theirs
export type Loose = any;

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
export const readYaml = (path: string): Loose => parse(read(path), { merge: true });
export const list = (folder: string, ending: string): string[] =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`);

export const compose = (): Loose => readYaml('docker-compose.prod.yml');
/** In the order of the file, which `parseEnv` of node:util does not keep. */
export const exampleSettings = (): Record<string, string> =>
  Object.fromEntries(
    [...read('.env.production.example').matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );

/** Every PromQL expression of rules and dashboards, with where it stands. */
export function expressions(): { where: string; expr: string }[] {
  const rules = list('deploy/prometheus/rules', '.yml').flatMap((path) =>
    readYaml(path)
      .groups.flatMap((group: Loose) => group.rules)
      .map((rule: Loose) => ({ where: `${path} ${rule.alert ?? rule.record}`, expr: rule.expr })),
  );
  const panels = dashboards().flatMap(({ path, dashboard }) =>
    dashboard.panels.flatMap((panel: Loose) =>
      (panel.targets ?? []).map((target: Loose) => ({ where: `${path} ${panel.title}`, expr: target.expr })),
    ),
  );
  return [...rules, ...panels];
}

export const dashboards = (): { path: string; dashboard: Loose }[] =>
  list('deploy/grafana/dashboards', '.json').map((path) => ({ path, dashboard: JSON.parse(read(path)) }));

const NOT_METRICS = new Set(['by', 'without', 'and', 'or', 'unless', 'on', 'ignoring', 'group_left', 'offset', 'bool']);

/** Names of the series that an expression reads. */
export function seriesOf(expr: string): string[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\b(by|without)\s*\([^)]*\)/g, '');
  const words = bare.match(/[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g) ?? [];
  return [...new Set(words.filter((word) => !NOT_METRICS.has(word)))];
}

/**
 * What an expression expects of the labels of its series: that a value is there, or, where it looks
 * for what should not happen, at least the label.
 * @example `errors_total{lane="fast",status=~"5.."}` gives `errors_total{lane="fast"}` and `errors_total{status!=""}`
 */
export function labelsOf(expr: string): string[] {
  const selectors = [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{([^}]*)\}/g)];
  return selectors.flatMap(([, name, matchers = '']) =>
    [...matchers.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*("[^"]*")/g)].map(([, label, operator, value]) =>
      operator === '=' ? `${name}{${label}=${value}}` : `${name}{${label}!=""}`,
    ),
  );
}

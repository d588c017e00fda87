import assert from 'node:assert/strict';
import { type Service, startService } from '../support/service.ts';
import { compose, dashboards, expressions, type Loose, list, read, readYaml, seriesOf } from './static-files.ts';

const alerts = (): Loose[] =>
  readYaml('deploy/prometheus/rules/alerts.yml').groups.flatMap((group: Loose) => group.rules);
const recorded = (): string[] =>
  readYaml('deploy/prometheus/rules/recording.yml').groups.flatMap((group: Loose) =>
    group.rules.map((rule: Loose) => rule.record),
  );

/** What other programs report, by the beginning of its name; all else is ours. */
const INFRASTRUCTURE =
  /^(up|ALERTS|vector|scrape_\w+|pg_\w+|redis_\w+|otelcol_\w+|traces_span_metrics_\w+|alertmanager_\w+|prometheus_\w+|process_resident_memory_bytes)$/;

/** There only once a bucket, sum or count of it is. */
const family = (name: string) => name.replace(/_(bucket|sum|count)$/, '');

describe('rules and dashboards', function suite() {
  this.timeout(120_000);
  let service: Service;
  let series: Set<string>;

  before(async () => {
    service = await startService();
    const upload = await service.upload('otters.md', '# Otters\n\nSea otters crack urchins.');
    await service.settled(((await upload.json()) as { id: string }).id);
    const body = JSON.stringify({ query: 'otters' });
    await service.call('/api/v1/search', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const pages = [service.stack.metricsUrl, new URL('/metrics', service.stack.workerUrl).href];
    const texts = await Promise.all(pages.map(async (url) => (await fetch(url)).text()));
    series = new Set(
      texts
        .join('\n')
        .match(/^# TYPE \S+/gm)
        ?.map((line) => line.slice('# TYPE '.length)),
    );
  });
  after(() => service.stop());

  it('read series that the service reports, or others that are recorded', () => {
    const unknown = expressions().flatMap(({ where, expr }) =>
      seriesOf(expr)
        .filter((name) => !INFRASTRUCTURE.test(name) && !recorded().includes(name) && !series.has(family(name)))
        .map((name) => `${where}: ${name}`),
    );
    assert.deepEqual(unknown, []);
  });
});

describe('alerts', () => {
  it('have a severity, words, and a runbook that names them', () => {
    for (const { alert, labels, annotations } of alerts()) {
      assert.match(labels.severity, /^(critical|warning|info|none)$/, alert);
      assert.ok(annotations.summary && annotations.description, alert);
      assert.match(read(annotations.runbook_url).split('\n')[0] ?? '', new RegExp(`\\b${alert}\\b`), alert);
    }
  });

  it('are each tested to fire', () => {
    const tests = read('deploy/prometheus/tests/alerts.test.yml');
    for (const { alert } of alerts()) assert.match(tests, new RegExp(`alertname="${alert}"`), alert);
  });

  it('lead to runbooks that exist for something', () => {
    const used = new Set(alerts().map((rule) => rule.annotations.runbook_url));
    const pages = list('deploy/runbooks', '.md').filter((path) => !path.endsWith('/README.md'));
    assert.deepEqual(pages.sort(), [...used].sort());
  });
});

/** Of which Grafana may ask, by their ids. */
const sources = (): string[] =>
  list('deploy/grafana/provisioning/datasources', '.yaml').flatMap((path) =>
    readYaml(path).datasources.map(({ uid }: Loose) => uid),
  );
const isRow = ({ type }: Loose): boolean => type === 'row';
const unitOf = (panel: Loose) =>
  panel.type === 'heatmap' ? panel.options.yAxis.unit : panel.fieldConfig.defaults.unit;

describe('dashboards', () => {
  for (const { path, dashboard } of dashboards())
    it(`${path} has a description, a unit, thresholds and something to show on each panel`, () => {
      assert.match(dashboard.uid, /^ragbase-/);
      assert.ok(dashboard.title && dashboard.description);
      for (const panel of dashboard.panels.filter((panel: Loose) => !isRow(panel))) {
        assert.ok(panel.title && panel.description, panel.title);
        assert.ok(panel.targets.length > 0 && panel.targets.every(({ expr }: Loose) => expr.trim()), panel.title);
        assert.equal(new Set(panel.targets.map(({ refId }: Loose) => refId)).size, panel.targets.length, panel.title);
        assert.ok(unitOf(panel), panel.title);
        assert.ok(panel.type === 'heatmap' || panel.fieldConfig.defaults.thresholds.steps.length > 0, panel.title);
      }
    });

  it('ask data sources that are provisioned', () => {
    for (const { path, dashboard } of dashboards()) {
      const annotations: Loose[] = dashboard.annotations.list;
      const panels: Loose[] = dashboard.panels.filter((panel: Loose) => !isRow(panel));
      for (const { title, name, datasource } of [
        ...annotations,
        ...panels,
        ...panels.flatMap(({ targets }) => targets),
      ])
        assert.ok(sources().includes(datasource.uid), `${path} ${title ?? name}: ${datasource.uid}`);
    }
  });

  it('know each panel by an id and a title of its own, and put something under each heading', () => {
    for (const { path, dashboard } of dashboards()) {
      const panels: Loose[] = dashboard.panels;
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, path);
      for (const { id } of panels) assert.ok(Number.isInteger(id) && id > 0, path);
      const titles = panels.filter((panel) => !isRow(panel)).map(({ title }) => title);
      assert.equal(new Set(titles).size, titles.length, path);
      for (const [index, panel] of panels.entries())
        if (isRow(panel)) assert.ok(panels[index + 1] && !isRow(panels[index + 1]), `${path} ${panel.title}`);
    }
  });

  it('begin with one that exists', () => {
    const home = compose().services.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH;
    assert.ok(dashboards().some(({ path }) => home.endsWith(path.replace('deploy/grafana/dashboards', 'dashboards'))));
  });

  it('have different names, and panels that do not lie on one another', () => {
    const uids = dashboards().map(({ dashboard }) => dashboard.uid);
    assert.equal(new Set(uids).size, uids.length);
    for (const { path, dashboard } of dashboards()) {
      const taken = new Set<string>();
      for (const { gridPos, title } of dashboard.panels)
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(x < 24 && !taken.has(`${x} ${y}`), `${path} ${title}`);
            taken.add(`${x} ${y}`);
          }
    }
  });
});

describe('prometheus.yml', () => {
  it('scrapes services of the compose file', () => {
    const names = Object.entries<Loose>(compose().services).flatMap(([name, { networks }]) => [
      name,
      ...Object.values<Loose>(networks ?? {}).flatMap(({ aliases = [] }) => aliases),
    ]);
    for (const job of readYaml('deploy/prometheus/prometheus.yml').scrape_configs) {
      const targets: string[] = job.static_configs?.[0].targets ?? job.dns_sd_configs[0].names;
      for (const target of targets) assert.ok(names.includes(target.split(':')[0] ?? ''), target);
    }
  });

  it('finds every replica of both processes by DNS, at the port with their series', () => {
    const jobs: Loose[] = readYaml('deploy/prometheus/prometheus.yml').scrape_configs;
    const port = (name: string) => jobs.find((job) => job.job_name === name)?.dns_sd_configs[0].port;
    const { services } = compose();
    assert.equal(port('backend'), services.backend.environment.INTERNAL_PORT);
    assert.equal(port('ai-worker'), services['ai-worker'].environment.WORKER_PORT);
  });
});

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../deploy/local/root.ts';
import { dashboards, expressions, labelsOf, list, seriesOf } from '../deploy/static-files.ts';
import { hasPrometheus, openPrometheus, type Prometheus } from '../support/prometheus.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const LIBRARY = join(ROOT, 'test/fixtures/library');

/** What only other programs can report: the exporters, the collector and Alertmanager, which are not there. */
const INFRASTRUCTURE = /^(pg_|redis_|otelcol_|traces_span_metrics_|alertmanager_)/;

const OBJECTIVES = ['availability', 'search_latency', 'ingest_time'];

/** For Grafana's variables: all of a choice, and what fits a scrape each second. */
const filledIn = (expr: string) =>
  expr.replace(/\$__(rate_interval|range|interval)/g, '1m').replace(/\$\{?\w+(:\w+)?\}?/g, '.*');

// Debian and Ubuntu have it in their package `prometheus`.
describe('under a real Prometheus', function suite() {
  this.timeout(180_000);
  let service: Service;
  let prometheus: Prometheus;
  before(async function start() {
    if (!hasPrometheus()) {
      process.stdout.write('    skipped: there is no prometheus on this machine\n');
      return this.skip();
    }
    service = await startService();
    prometheus = await openPrometheus({
      jobs: { backend: new URL(service.stack.metricsUrl).host, 'ai-worker': new URL(service.stack.workerUrl).host },
      ruleFiles: list('deploy/prometheus/rules', '.yml').map((path) => join(ROOT, path)),
    });
    // A rate needs a series that grows between two scrapes, of each process, and a recorded one a rate.
    await use('first');
    for (const series of ['search_duration_seconds_count', 'document_stage_duration_seconds_count'])
      await until(async () => (await prometheus.query(series)).length > 0);
    await use('second');
    for (const series of ['search_duration_seconds_count', 'document_stage_duration_seconds_count'])
      await until(async () => (await prometheus.query(`rate(${series}[1m]) > 0`)).length > 0);
    for (const objective of OBJECTIVES)
      await until(async () => (await prometheus.query(`slo:${objective}_missed:ratio_rate5m`)).length > 0);
  });
  after(async () => {
    await prometheus?.close();
    await service?.stop();
  });

  /** Whatever clients do: all formats, one that fails, every mode of search, what is refused. */
  async function use(collection: string): Promise<void> {
    const files = (await readdir(LIBRARY)).filter((name) => !/\.(png|jpg)$|README/.test(name));
    const uploads: [string, Uint8Array | string][] = [['broken.pdf', `%PDF-1.4 ${collection}`]];
    for (const name of files) uploads.push([name, await readFile(join(LIBRARY, name))]);
    for (const [name, content] of uploads) {
      const { id } = (await (await service.upload(name, content, { collection })).json()) as ShownDocument;
      await service.settled(id);
    }
    for (const mode of ['hybrid', 'vector', 'keyword'])
      await service.call('/api/v1/search', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: 'what does a keeper do in fog', mode }),
      });
    await service.call('/api/v1/nothing');
    await service.call('/api/v1/stats', { headers: { 'x-api-key': 'none of ours' } });
  }

  const isOurs = ({ expr }: { expr: string }) => !seriesOf(filledIn(expr)).some((name) => INFRASTRUCTURE.test(name));
  const panels = () => expressions().filter(({ where }) => dashboards().some(({ path }) => where.startsWith(path)));

  it('every expression of rules and dashboards can be evaluated', async () => {
    for (const { expr } of expressions()) await prometheus.query(filledIn(expr));
  });

  it('every panel of our own series has something to show', async () => {
    const empty: string[] = [];
    for (const panel of panels().filter(isOurs))
      if ((await prometheus.query(filledIn(panel.expr))).length === 0) empty.push(`${panel.where}: ${panel.expr}`);
    assert.deepEqual(empty, []);
  });

  it('every series that a rule reads is there, with the labels that it asks for', async () => {
    const missing: string[] = [];
    for (const { where, expr } of expressions().filter(isOurs))
      for (const selector of [...seriesOf(filledIn(expr)), ...labelsOf(filledIn(expr))])
        if ((await prometheus.query(selector)).length === 0) missing.push(`${where}: ${selector}`);
    assert.deepEqual(missing, []);
  });
});

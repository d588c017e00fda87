import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkBackups } from '../../deploy/preflight/backups.ts';
import { type ComposeModel, parseContainers } from '../../deploy/preflight/compose-model.ts';
import { checkComposeVersion, checkContainers } from '../../deploy/preflight/containers.ts';
import { checkDelivery, tryAlert } from '../../deploy/preflight/delivery.ts';
import { checkEnvFile, readEnvFile } from '../../deploy/preflight/env-file.ts';
import { attempt, type Finding } from '../../deploy/preflight/finding.ts';
import { judgeDisk } from '../../deploy/preflight/machine.ts';
import { checkAlertmanager, checkPrometheus } from '../../deploy/preflight/monitoring.ts';
import { checkPublished } from '../../deploy/preflight/published.ts';
import { checkSecrets } from '../../deploy/preflight/secrets.ts';
import { checkSettings, environment } from '../../deploy/preflight/settings.ts';
import { judgeWalls } from '../../deploy/preflight/walls.ts';
import { checkWritten } from '../../deploy/preflight/written.ts';
import { hasPrometheus, openPrometheus } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { environmentOf, filledSettings } from './compose-environment.ts';
import { composeModel } from './compose-model.ts';
import { list } from './static-files.ts';
import { temporaryFolder } from './temporary-folder.ts';

const failures = (findings: readonly Finding[]): string[] =>
  findings.filter(({ state }) => state === 'FAIL').map(({ what }) => what);
const states = (findings: readonly Finding[]): string[] => findings.map(({ state }) => state);

describe('preflight, of the file with the settings', () => {
  it('wants it to be for its owner alone, and out of reach of git', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'some.env');
    await writeFile(path, 'PORT=3000\nEMPTY=\n', { mode: 0o644 });
    assert.deepEqual(await readEnvFile(path), { PORT: '3000' });
    assert.deepEqual(failures(await checkEnvFile(path)), ['others may read some.env (644)']);
    await chmod(path, 0o600);
    assert.deepEqual(failures(await checkEnvFile(path)), []);
    execFileSync('git', ['init', '--quiet'], { cwd: folder.path });
    assert.deepEqual(failures(await checkEnvFile(path)), ['git does not ignore some.env']);
    await writeFile(join(folder.path, '.gitignore'), '*.env\n');
    assert.deepEqual(failures(await checkEnvFile(path)), []);
  });

  it('wants what Docker Compose reads to be what is written, by the rules of deploy/configure.sh', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'some.env');
    const lines = Object.entries(filledSettings()).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(path, lines.join(''), { mode: 0o644 });
    assert.deepEqual(
      (await checkWritten(path)).map(({ what }) => what),
      ['Docker Compose reads each setting as it is written'],
    );
    await writeFile(path, `${lines.join('')}API_KEY=change-me\nTYPING_ERROR=a$b\n`);
    const [first, ...others] = await checkWritten(path);
    const [at, next] = [lines.length + 1, lines.length + 2];
    assert.match(first?.what ?? '', new RegExp(`^line ${at}: API_KEY: is on line \\d+ already`));
    assert.deepEqual(
      others.map(({ state, what }) => `${state} ${what.slice(0, what.indexOf(','))}`),
      [
        `FAIL line ${at}: API_KEY: still holds its placeholde`,
        `FAIL line ${next}: TYPING_ERROR: $ outside of single quotes`,
        `warn line ${next}: TYPING_ERROR is no setting of the example: is it spelled right`,
      ],
    );
  });

  it('wants every secret, none that can be guessed, and none twice', () => {
    const of = (changed: Record<string, string>) => failures(checkSecrets({ ...filledSettings(), ...changed }));
    const good = filledSettings()['REDIS_PASSWORD'] ?? '';
    assert.deepEqual(of({}), []);
    assert.deepEqual(of({ INTERNAL_TOKEN: '' }), ['INTERNAL_TOKEN is not set']);
    for (const weak of ['Grafana-2026!', 'password'.repeat(4)])
      assert.deepEqual(of({ GRAFANA_ADMIN_PASSWORD: weak }), ['GRAFANA_ADMIN_PASSWORD is easy to guess']);
    assert.deepEqual(of({ API_KEY: `${good.slice(1)},${'ab'.repeat(20)}` }), ['API_KEY is easy to guess']);
    assert.deepEqual(of({ POSTGRES_MONITOR_PASSWORD: good }), [
      'POSTGRES_MONITOR_PASSWORD and REDIS_PASSWORD are the same',
    ]);
    assert.deepEqual(of({ INTERNAL_TOKEN: `x,q${good}`, METRICS_TOKEN: `y,${good}z` }), [
      'INTERNAL_TOKEN is easy to guess',
      'METRICS_TOKEN is easy to guess',
    ]);
    assert.deepEqual(of({ REDIS_PASSWORD: `${good}#/@:%zz` }), []);
  });

  it('reads the settings as both processes will', () => {
    const of = (changed: Record<string, string>) => failures(checkSettings({ ...filledSettings(), ...changed }));
    assert.deepEqual(of({}), []);
    assert.match(of({ RATE_LIMIT_WINDOW: 'soon' }).join(), /^RATE_LIMIT_WINDOW: must be a duration/);
    assert.match(of({ WORKER_CONCURRENCY_FAST: 'many' }).join(), /^WORKER_CONCURRENCY_FAST: /);
    const quiet = checkSettings({ ...filledSettings(), ALERTMANAGER_WEBHOOK_URL: 'none' });
    assert.deepEqual(states(quiet), ['ok', 'warn']);
  });

  it('fills in what the compose file does', () => {
    for (const service of ['backend', 'ai-worker'])
      for (const name of ['REDIS_URL', 'DATABASE_URL', 'CALLBACK_URL', 'NODE_ENV']) {
        const given = environmentOf(service)[name];
        if (given !== undefined) assert.equal(environment(filledSettings())[name], given, name);
      }
  });
});

describe('preflight, of the compose file', () => {
  const published = (model: ComposeModel) => failures(checkPublished(model));

  it('lets the API and the proxy be published, and nothing else', () => {
    const model = composeModel(filledSettings());
    assert.deepEqual(published(model), []);
    assert.deepEqual(published({ services: { proxy: { ports: [{ target: 443, published: '443' }] } } }), []);
    const { postgres, grafana } = model.services;
    assert.ok(postgres && grafana?.ports[0]);
    postgres.ports.push({ target: 5432, published: '5432' });
    grafana.ports[0].host_ip = '0.0.0.0';
    assert.deepEqual(published(model), [
      'port 5432 of postgres is published on every address',
      'port 3000 of grafana is published on 0.0.0.0',
    ]);
  });

  it('wants each service to run and be well, and what prepares to have ended well', () => {
    const model = composeModel(filledSettings());
    const container = (Service: string, changed: object = {}) => ({
      ...{ Service, State: 'running', Health: 'healthy', ExitCode: 0 },
      ...(Service === 'volume-owner' && { State: 'exited', Health: '' }),
      ...changed,
    });
    const of = (changed: Record<string, object | undefined>) => {
      const names = Object.keys(model.services).filter((name) => !(name in changed && changed[name] === undefined));
      return failures(
        checkContainers(
          model,
          names.map((name) => container(name, changed[name])),
        ),
      );
    };
    assert.deepEqual(of({}), []);
    assert.deepEqual(of({ backend: { Health: 'unhealthy' } }), ['backend is unhealthy']);
    assert.deepEqual(of({ redis: { State: 'restarting' } }), ['redis is restarting']);
    assert.deepEqual(of({ jaeger: undefined }), ['jaeger has no container']);
    assert.deepEqual(of({ 'volume-owner': { ExitCode: 1 } }), ['volume-owner ended with status 1']);
    assert.deepEqual(of({ 'otel-collector': { Health: '' } }), []);
    assert.deepEqual(of({ backend: { State: 'exited', Health: '' } }), ['backend is exited']);
  });

  it('wants the ai-worker to reach what it needs, and nothing else', () => {
    const place = (service: string, port: number) => ({ service, host: '10.0.0.2', port });
    const needed = [place('redis', 6379), place('backend', 9464), place('ai-worker', 8000)];
    const others = [place('postgres', 5432), place('prometheus', 9090), place('this machine', 40_000)];
    const of = (reached: typeof others) => failures(judgeWalls([...needed, ...others], reached));
    assert.deepEqual(of(needed), []);
    assert.deepEqual(of([...needed, ...others]), [
      'the ai-worker reaches postgres (10.0.0.2:5432)',
      'the ai-worker reaches prometheus (10.0.0.2:9090)',
      'the ai-worker reaches this machine (10.0.0.2:40000)',
    ]);
    assert.deepEqual(of(needed.slice(1)), ['the ai-worker does not reach redis:6379']);
  });

  it('reads what older and newer versions of Compose print', () => {
    const one = { Service: 'redis', State: 'running', Health: '', ExitCode: 0 };
    const lines = `${JSON.stringify(one)}\n${JSON.stringify(one)}`;
    assert.deepEqual(parseContainers(lines), [one, one]);
    assert.deepEqual(parseContainers(JSON.stringify([one])), [one]);
    assert.deepEqual(parseContainers(''), []);
  });

  it('wants a Compose that can read it', () => {
    const of = (version: string) => states(checkComposeVersion(version));
    assert.deepEqual(['2.23.3', '1.29.2'].map(of), [['FAIL'], ['FAIL']]);
    assert.deepEqual(['v2.24.0', '2.40.1', '5.0.0'].map(of), [['ok'], ['ok'], ['ok']]);
  });
});

describe('preflight, of the monitoring', function suite() {
  this.timeout(60_000);

  it('hears from a real Prometheus that targets are down, and that the watchdog fires', async function needsPrometheus() {
    if (!hasPrometheus()) this.skip();
    const prometheus = await openPrometheus({
      jobs: { nobody: '127.0.0.1:1' },
      ruleFiles: list('deploy/prometheus/rules', '.yml').map((path) => join(process.cwd(), path)),
    });
    const ask = async (path: string) => ({
      data: { result: await prometheus.query(new URL(path, 'http://x').searchParams.get('query') ?? '') },
    });
    try {
      await until(async () => (await prometheus.query('up')).length === 2);
      await until(async () => (await prometheus.query('ALERTS{alertname="Watchdog"}')).length > 0);
      const findings = await checkPrometheus(ask);
      assert.deepEqual(failures(findings), ['nobody at 127.0.0.1:1 is down']);
      assert.deepEqual(
        findings.filter(({ state }) => state === 'ok').map(({ what }) => what),
        [
          'targets of Prometheus: 2',
          'the watchdog fires',
          'no other alert fires',
          'no notification failed within 15 minutes',
        ],
      );
    } finally {
      await prometheus.close();
    }
  });

  it('wants the watchdog to reach a receiver', async () => {
    const of = async (alerts: unknown) => (await checkAlertmanager(async () => alerts)).map(({ what }) => what);
    const watchdog = { labels: { alertname: 'Watchdog' }, receivers: [{ name: 'webhook' }] };
    assert.deepEqual(await of([watchdog]), ['Alertmanager sends the watchdog to webhook']);
    assert.deepEqual(await of([{ ...watchdog, receivers: [{ name: 'none' }] }]), [
      'Alertmanager has the watchdog, and tells nobody of it',
    ]);
    const missing = ['Alertmanager has no watchdog, or nobody to send it to'];
    assert.deepEqual(await of([]), missing);
    assert.deepEqual(await of([{ ...watchdog, receivers: [] }]), missing);
  });

  it('says what it could not ask', async () => {
    const findings = await attempt('prometheus', 'look', () =>
      checkPrometheus(async () => {
        throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
      }),
    );
    assert.deepEqual(findings, [{ state: 'FAIL', what: 'prometheus: connect ECONNREFUSED', todo: 'look' }]);
  });
});

describe('preflight, of who hears of alerts', () => {
  /** Prometheus, as far as it counts notifications by the kind of receiver. */
  const counting = (counts: { sent: number; failed: number }) => async (path: string) => {
    const value = path.includes('failed') ? counts.failed : counts.sent;
    return { data: { result: [{ metric: { integration: 'slack' }, value: [0, String(value)] }] } };
  };

  it('wants a notification to have got through', async () => {
    const of = async (sent: number, failed: number) => states(await checkDelivery(counting({ sent, failed })));
    assert.deepEqual([await of(3, 2), await of(3, 3), await of(0, 0)], [['ok'], ['warn'], ['warn']]);
  });

  it('sends one that says what it is and ends by itself, and says what became of it', async () => {
    const of = async (grown: { sent: number; failed: number }) => {
      const counts = { sent: 1, failed: 0 };
      const posted: unknown[] = [];
      const alertmanager = async (path: string, body: unknown) => {
        assert.equal(path, '/api/v2/alerts');
        posted.push(body);
        counts.sent += grown.sent;
        counts.failed += grown.failed;
      };
      const options = { prometheus: counting(counts), alertmanager, patienceMs: 20, pollMs: 1 };
      const [finding] = await tryAlert(options);
      const [[alert]] = posted as [[{ labels: { alertname: string }; startsAt: Date; endsAt: Date }]];
      assert.equal(alert.labels.alertname, 'Preflight');
      assert.ok(alert.endsAt > alert.startsAt);
      return finding?.what;
    };
    assert.match((await of({ sent: 1, failed: 0 })) ?? '', /^a test alert got through: slack/);
    assert.equal(await of({ sent: 1, failed: 1 }), 'the test alert was not taken: slack');
    assert.equal(await of({ sent: 0, failed: 0 }), 'Alertmanager sent the test alert to nobody');
  });
});

describe('preflight, of the disk', () => {
  it('wants room, and entries for files where they are counted', () => {
    const of = (gigabytes: number, files?: number) =>
      states(judgeDisk('/data', { bytes: gigabytes * 2 ** 30, ...(files !== undefined && { files }) }));
    assert.deepEqual([of(30), of(30, 0.5), of(10), of(4)], [['ok'], ['ok'], ['warn'], ['FAIL']]);
    assert.deepEqual(
      [of(30, 0.05), of(30, 0.01)],
      [
        ['ok', 'warn'],
        ['ok', 'FAIL'],
      ],
    );
  });
});

describe('preflight, of the backups', () => {
  it('wants one of the last day, and does not fail without', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'ragbase-20260101T030000Z.dump');
    assert.deepEqual(states(await checkBackups(join(folder.path, 'nowhere'))), ['warn']);
    await writeFile(join(folder.path, 'notes.txt'), '');
    await writeFile(path, '');
    assert.deepEqual(states(await checkBackups(folder.path)), ['ok']);
    const before = Date.now() / 1000 - 25 * 3600;
    await utimes(path, before, before);
    const [finding] = await checkBackups(folder.path);
    assert.deepEqual([finding?.state, finding?.what.endsWith('is 25 hours old')], ['warn', true]);
  });
});

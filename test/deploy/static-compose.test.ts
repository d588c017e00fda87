import assert from 'node:assert/strict';
import { type Config, ConfigError, readConfig, SETTINGS, settingsOf } from '../../src/config.ts';
import { environmentOf, filledSettings, interpolate, secretsOf } from './compose-environment.ts';
import { compose, exampleSettings, type Loose, read } from './static-files.ts';

const all = (): Record<string, Loose> => compose().services;
const namesOf = (networks: string[] | object): string[] => (Array.isArray(networks) ? networks : Object.keys(networks));
const services = (): [string, Loose][] => Object.entries(compose().services);

describe('docker-compose.prod.yml', () => {
  it('has a value for every variable in the example, and uses all but those it sets itself', () => {
    const used = new Set([...read('docker-compose.prod.yml').matchAll(/\$\{(\w+)/g)].map((match) => match[1] ?? ''));
    const example = Object.keys(exampleSettings());
    const fixed = ['NODE_ENV', 'HOST', 'INTERNAL_PORT', 'WORKER_PORT', 'RAGBASE_DATA_DIR'];
    assert.deepEqual([...used].sort(), example.filter((name) => !fixed.includes(name)).sort());
  });

  it('pins every image to a version', () => {
    for (const [name, service] of services()) {
      if (service.build) continue;
      assert.match(service.image, /:v?\d+\.\d+\.\d+(-[\w.]+)?$/, name);
    }
    assert.match(read('deploy/Dockerfile'), /^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-\w+-slim$/m);
  });

  it('limits, restarts, logs and confines every service', () => {
    for (const [name, service] of services()) {
      const { limits } = service.deploy.resources;
      assert.ok(limits.memory && limits.cpus && limits.pids, name);
      assert.equal(service.restart, ['volume-owner', 'secrets'].includes(name) ? 'no' : 'unless-stopped', name);
      assert.ok(service.logging.options['max-size'] && service.logging.options['max-file'], name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    }
  });

  it('checks the health of every service whose image can', () => {
    const own = (service: Loose) => Boolean(service.build || service.healthcheck);
    const without = services().filter(([, service]) => !own(service));
    assert.deepEqual(
      without.map(([name]) => name),
      ['secrets', 'volume-owner', 'otel-collector'],
    );
  });

  it('publishes the API, and on loopback Grafana and Jaeger', () => {
    const published = services().flatMap(([, service]) => service.ports ?? []);
    assert.equal(published.length, 3);
    assert.deepEqual(
      published.filter((port) => !port.startsWith('127.0.0.1:')),
      compose().services.backend.ports,
    );
    assert.equal(compose().services.backend.ports.length, 1);
  });

  it('lets the ai-worker reach what it needs, and neither a way out nor the database nor the monitoring', () => {
    assert.deepEqual(all()['ai-worker'].networks, ['work']);
    const reached = services().filter(([, { networks = [] }]) => namesOf(networks).includes('work'));
    assert.deepEqual(reached.map(([name]) => name).sort(), [
      'ai-worker',
      'backend',
      'otel-collector',
      'prometheus',
      'redis',
    ]);
    // Prometheus shares the network to ask, and listens on another.
    assert.ok(all().prometheus.command.includes('--web.listen-address=prometheus.monitoring:9090'));
    assert.deepEqual(all().prometheus.networks, { monitoring: { aliases: ['prometheus.monitoring'] }, work: {} });
    assert.deepEqual(all()['ai-worker'].volumes, [
      'models:/var/lib/ragbase/models:ro',
      'secrets-worker:/run/secrets:ro',
    ]);
  });

  it('closes every network that needs no way out, to the machine too', () => {
    const closed = { internal: true, driver_opts: { 'com.docker.network.bridge.inhibit_ipv4': 'true' } };
    const { edge, operators, alerts, ...others } = compose().networks;
    assert.deepEqual([edge, operators, alerts], [{}, {}, {}]);
    assert.deepEqual(Object.keys(others).sort(), ['database', 'monitoring', 'redis-metrics', 'work']);
    for (const network of Object.values(others)) assert.deepEqual(network, closed);
    assert.deepEqual(all().postgres.networks, ['database']);
  });

  it('hands secrets out as files, to each service its own, and shows none in an environment or a command', () => {
    const secrets = secretsOf(filledSettings());
    for (const [name, { environment = {}, command = [], entrypoint = [] }] of services()) {
      const shown = interpolate(JSON.stringify([environment, command, entrypoint]), filledSettings());
      for (const [secret, value] of secrets)
        if (value.length > 20 && !value.includes('://')) assert.ok(!shown.includes(value), `${name} shows ${secret}`);
    }
    const script = read('deploy/secrets/hand-out.sh').replaceAll('\\\n', ' ');
    const given = new Map(
      [...script.matchAll(/^give (\S+) +(.+)$/gm)].map(([, to = '', names = '']) => [to, names.split(/ +/)]),
    );
    const filesOf = (service: string) =>
      Object.values<string>(all()[service].environment).flatMap(
        (value) => /^\/run\/secrets\/(\w+)$/.exec(value)?.[1] ?? [],
      );
    assert.deepEqual(filesOf('backend').sort(), given.get('backend')?.sort());
    assert.deepEqual(filesOf('ai-worker').sort(), given.get('worker')?.sort());
    for (const names of given.values()) for (const name of names) assert.ok(secrets.has(name), name);
  });

  it('gives both processes settings that they accept', () => {
    const backend: Config<'backend'> = readConfig('backend', environmentOf('backend'));
    const worker: Config<'worker'> = readConfig('worker', environmentOf('ai-worker'));
    assert.deepEqual([backend.HOST, worker.HOST], ['0.0.0.0', '0.0.0.0']);
    assert.deepEqual(backend.INTERNAL_TOKEN, worker.INTERNAL_TOKEN);
    assert.equal(new URL(worker.CALLBACK_URL).port, String(backend.INTERNAL_PORT));
    assert.equal(compose().services.backend.environment.PORT, 3000);
  });

  it('gives each process the settings that are its own, and no other', () => {
    for (const [service, role] of [
      ['backend', 'backend'],
      ['ai-worker', 'worker'],
    ] as const) {
      const given = Object.keys(environmentOf(service)).filter((name) => !name.startsWith('OTEL_'));
      assert.deepEqual(given.sort(), settingsOf(role).sort(), service);
    }
  });
});

describe('.env.production.example', () => {
  it('names every setting, in the order of the schema, and then those of the compose file', () => {
    const names = Object.keys(exampleSettings());
    assert.deepEqual(names.slice(0, Object.keys(SETTINGS).length), Object.keys(SETTINGS));
    assert.ok(names.slice(Object.keys(SETTINGS).length).every((name) => !name.startsWith('OTEL_')));
  });

  it('has the defaults of the schema where it shows a value', () => {
    for (const [name, schema] of Object.entries(SETTINGS)) {
      const shown = exampleSettings()[name];
      if (!shown || shown.includes('change-me') || name === 'NODE_ENV') continue;
      assert.deepEqual(schema.parse(shown), schema.parse(undefined), name);
    }
  });

  it('is refused in production while it holds placeholders', () => {
    const required = { DATABASE_URL: 'postgres://a:b@c/d', REDIS_URL: 'redis://c' };
    assert.throws(
      () => readConfig('backend', { ...exampleSettings(), ...required }),
      (error) => error instanceof ConfigError && /API_KEY.*\n.*INTERNAL_TOKEN/.test(error.message),
    );
  });
});

describe('.dockerignore', () => {
  it('lets in what the Dockerfile copies, by name', () => {
    const lines = read('.dockerignore').split('\n');
    const copied = [...read('deploy/Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    assert.equal(
      lines.find((line) => line && !line.startsWith('#')),
      '*',
    );
    for (const path of copied) {
      const isIn = lines.some(
        (line) => line.startsWith('!') && (path === line.slice(1) || path.startsWith(`${line.slice(1)}/`)),
      );
      assert.ok(isIn, path);
    }
    assert.ok(lines.includes('**/.env*'));
  });
});

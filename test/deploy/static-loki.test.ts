import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../deploy/local/root.ts';
import { compose, exampleSettings, type Loose, read, readYaml } from './static-files.ts';

const OVERLAY = 'deploy/compose.loki.yml';
const PROVISIONING = 'deploy/grafana/provisioning/datasources';

const overlay = (): Loose => readYaml(OVERLAY);
const added = (): [string, Loose][] =>
  Object.entries<Loose>(overlay().services).filter(([name]) => !compose().services[name]);
const collector = (): Loose => readYaml('deploy/loki/logs-collector.yaml');
const loki = (): Loose => readYaml('deploy/loki/loki.yaml');
const sources = (path: string): Loose[] => readYaml(path).datasources;
const byUid = (list: Loose[], uid: string): Loose => list.find((source) => source.uid === uid);

describe(OVERLAY, () => {
  it('confines, limits and pins what it adds, as the file that it lies upon', () => {
    for (const [name, service] of added()) {
      assert.match(service.image, /:v?\d+\.\d+\.\d+$/, name);
      const { limits } = service.deploy.resources;
      assert.ok(limits.memory && limits.cpus && limits.pids, name);
      assert.ok(service.logging.options['max-size'] && service.logging.options['max-file'], name);
      const { restart, read_only, cap_drop, security_opt } = service;
      assert.deepEqual(
        { restart, read_only, cap_drop, security_opt },
        { restart: 'unless-stopped', read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] },
        name,
      );
      assert.deepEqual([service.networks, service.ports], [['monitoring'], undefined], name);
    }
    assert.deepEqual(
      added().map(([name]) => name),
      ['loki', 'logs-collector'],
    );
  });

  it('reads logs with the collector that traces go through, and without the socket of Docker', () => {
    const { services } = overlay();
    assert.equal(services['logs-collector'].image, compose().services['otel-collector'].image);
    assert.doesNotMatch(read(OVERLAY).replace(/^ *#.*$/gm, ''), /docker\.sock/);
  });

  it('mounts what exists; over a mounted folder, a file in the place of another', () => {
    const mounts: string[] = Object.values<Loose>(overlay().services).flatMap((service) => service.volumes ?? []);
    for (const [source = '', target = ''] of mounts.map((mount) => mount.split(':'))) {
      if (source.startsWith('./')) assert.ok(existsSync(join(ROOT, source)), source);
      const hidden = target.replace('/etc/grafana/provisioning', 'deploy/grafana/provisioning');
      if (hidden !== target) assert.ok(existsSync(join(ROOT, hidden)), target);
      if (/^[\w-]+$/.test(source)) assert.ok(source in overlay().volumes, source);
    }
  });

  it('uses variables of the example, or such that have a default', () => {
    const known = Object.keys(exampleSettings());
    for (const [whole, name = ''] of read(OVERLAY).matchAll(/\$\{(\w+)[^}]*\}/g))
      assert.ok(known.includes(name) || whole.includes(':-'), whole);
  });
});

describe('the lines of the containers', () => {
  it('say whose they are, but those of their collector', () => {
    const services: [string, Loose][] = [...Object.entries<Loose>(compose().services), ...added()];
    for (const [name, service] of services)
      assert.equal(
        service.logging.options.labels,
        name === 'logs-collector' ? undefined : 'com.docker.compose.project,com.docker.compose.service',
        name,
      );
  });

  it('are those of this project, and go to the Loki of the overlay', () => {
    const { receivers, exporters } = collector();
    assert.ok(
      receivers.file_log.operators[0].expr.includes(`\\"com.docker.compose.project\\":\\"${compose().name}\\"`),
    );
    const { hostname, port, pathname } = new URL(exporters['otlp_http/loki'].endpoint);
    assert.ok(overlay().services[hostname]);
    assert.deepEqual([Number(port), pathname], [loki().server.http_listen_port, '/otlp']);
  });

  it('are read from the folder that is mounted, and what is not sent yet is kept in the volume', () => {
    const config = collector();
    const targets = overlay().services['logs-collector'].volumes.map((mount: string) => mount.split(':').at(-2));
    for (const pattern of config.receivers.file_log.include)
      assert.ok(targets.some((target: string) => pattern.startsWith(`${target}/`)));
    assert.equal(config.receivers.file_log.storage, 'file_storage');
    assert.equal(config.exporters['otlp_http/loki'].sending_queue.storage, 'file_storage');
    assert.ok(
      overlay().services['logs-collector'].volumes.includes(
        `logs-collector:${config.extensions.file_storage.directory}`,
      ),
    );
  });
});

describe('deploy/loki/loki.yaml', () => {
  it('makes labels of the service and the level alone', () => {
    const { resource_attributes: ofResource, log_attributes: ofLine } = loki().limits_config.otlp_config;
    assert.equal(ofResource.ignore_defaults, true);
    const labels = [...ofResource.attributes_config, ...ofLine].flatMap((rule: Loose) => rule.attributes);
    assert.deepEqual(labels, ['service.name', 'level']);
  });

  it('keeps lines as long as Jaeger keeps traces, in its volume', () => {
    const { ttl } = readYaml('deploy/jaeger/config.yaml').extensions.jaeger_storage.backends.disk.badger;
    assert.equal(loki().limits_config.retention_period, ttl.spans);
    assert.equal(loki().compactor.retention_enabled, true);
    assert.ok(overlay().services.loki.volumes.includes(`loki:${loki().common.path_prefix}`));
  });
});

describe('the data sources of Grafana', () => {
  const prometheus = () => sources(`${PROVISIONING}/prometheus.yaml`);
  const without = () => [...prometheus(), ...sources(`${PROVISIONING}/jaeger.yaml`)];
  const withLoki = () => [...prometheus(), ...sources('deploy/loki/datasources.yaml')];

  it('are at services that run', () => {
    const names = Object.keys({ ...compose().services, ...overlay().services });
    for (const { url } of withLoki()) assert.ok(names.includes(new URL(url).hostname), url);
    assert.ok(without().every(({ uid }) => uid !== 'loki'));
  });

  it('link to one another by ids that exist, with the overlay and without', () => {
    for (const list of [without(), withLoki()]) {
      const uids = list.map(({ uid }) => uid);
      assert.equal(new Set(uids).size, uids.length);
      for (const [, uid = ''] of JSON.stringify(list).matchAll(/"datasourceUid":"([^"]+)"/g))
        assert.ok(uids.includes(uid), uid);
    }
  });

  it('lead from a line to its trace, and back', () => {
    const [field] = byUid(withLoki(), 'loki').jsonData.derivedFields;
    assert.deepEqual([field.matcherType, field.matcherRegex, field.datasourceUid], ['label', 'trace_id', 'jaeger']);
    const { datasourceUid, query } = byUid(withLoki(), 'jaeger').jsonData.tracesToLogsV2;
    assert.equal(datasourceUid, 'loki');
    assert.match(query, /^\{service_name=~"\.\+"\} \| trace_id="\$\$\{__trace\.traceId\}"$/);
  });

  it('have the same Jaeger in both, but for the way to Loki', () => {
    const { tracesToLogsV2, ...jsonData } = byUid(withLoki(), 'jaeger').jsonData;
    assert.ok(tracesToLogsV2);
    assert.deepEqual({ ...byUid(withLoki(), 'jaeger'), jsonData }, byUid(without(), 'jaeger'));
  });
});

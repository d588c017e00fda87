import assert from 'node:assert/strict';
import { compose, type Loose, readYaml } from './static-files.ts';

const collector = (): Loose => readYaml('otel-collector.yaml');
const KINDS = ['receivers', 'processors', 'exporters'] as const;

/** The components that each kind of place in a pipeline may name. */
function defined({ connectors = {}, ...config }: Loose, kind: (typeof KINDS)[number]): string[] {
  const joined = kind === 'processors' ? [] : Object.keys(connectors);
  return [...Object.keys(config[kind] ?? {}), ...joined];
}

for (const path of ['otel-collector.yaml', 'deploy/jaeger/config.yaml', 'deploy/loki/logs-collector.yaml'])
  describe(path, () => {
    it('names in its pipelines what it defines, and defines nothing that is not used', () => {
      const config = readYaml(path);
      const pipelines: Loose[] = Object.values(config.service.pipelines);
      for (const kind of KINDS) {
        const used = new Set(pipelines.flatMap((pipeline) => pipeline[kind] ?? []));
        assert.deepEqual([...used].sort(), defined(config, kind).sort(), kind);
      }
      assert.deepEqual([...config.service.extensions].sort(), Object.keys(config.extensions).sort());
    });
  });

describe('the pipelines of the collector', () => {
  it('limit memory first, and scrub before anything leaves', () => {
    const { pipelines } = collector().service;
    assert.deepEqual(pipelines['traces/in'].processors, ['memory_limiter', 'transform/scrub']);
    for (const [name, pipeline] of Object.entries<Loose>(pipelines))
      if (pipeline.receivers.includes('otlp')) assert.equal(name, 'traces/in');
  });

  it('scrub spans that have no events too', () => {
    // Statements of one list run in the narrowest context of them all.
    const groups: Loose[] = collector().processors['transform/scrub'].trace_statements;
    assert.deepEqual(
      groups.map(({ context }) => context),
      ['resource', 'span', 'spanevent'],
    );
    for (const { context, statements } of groups)
      for (const statement of statements) assert.match(statement, new RegExp(`\\(${context}\\.`));
  });

  it('count spans before they sample them', () => {
    const { pipelines } = collector().service;
    assert.ok(pipelines['traces/in'].exporters.includes('span_metrics'));
    assert.ok(!pipelines['traces/in'].processors.includes('tail_sampling'));
    assert.ok(pipelines['traces/sampled'].processors.includes('tail_sampling'));
  });

  it('queue on disk what goes to Jaeger, in a volume', () => {
    const config = collector();
    const { sending_queue: queue, endpoint } = config.exporters['otlp_grpc/jaeger'];
    assert.equal(queue.storage, 'file_storage');
    const mounted = compose().services['otel-collector'].volumes.map((volume: string) => volume.split(':')[1]);
    assert.ok(mounted.includes(config.extensions.file_storage.directory));
    assert.ok(compose().services[endpoint.split(':')[0]]);
  });
});

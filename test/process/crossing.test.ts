import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import redis from 'redis';
import { type EmbeddingsServer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type Collector, openCollector } from '../support/collector.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** What a client sends beside its document. */
const SECRET = 'planted-by-the-client';
const odd = (traceId: string, flags: string) => ({
  traceparent: `00-${traceId}-${'c'.repeat(16)}-${flags}`,
  tracestate: `vendor=${SECRET}`,
  baggage: `user=${SECRET}`,
  b3: `${SECRET}-1`,
});
const newTrace = () => randomBytes(16).toString('hex');

describe('what a client sends beside its document', function suite() {
  this.timeout(180_000);
  let provider: EmbeddingsServer;
  let collector: Collector;
  let queue: RedisServer;
  before(async () => {
    provider = await startEmbeddingsServer();
    collector = await openCollector();
    queue = await openRedisServer();
  });
  after(async () => {
    await queue?.close();
    await collector?.close();
    await provider?.close();
  });

  async function withService(env: NodeJS.ProcessEnv, work: (service: Service) => Promise<void>): Promise<void> {
    const service = await startService({
      ...provider.settings,
      REDIS_URL: queue.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...env,
    });
    try {
      await work(service);
    } finally {
      await service.stop();
    }
  }

  async function upload(service: Service, headers: Record<string, string>): Promise<ShownDocument> {
    const answer = await service.call('/api/v1/documents', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ name: 'a.txt', content: `Words ${randomUUID()}.` }),
    });
    assert.equal(answer.status, 202);
    const { id } = (await answer.json()) as ShownDocument;
    const document = await service.settled(id);
    assert.equal(document.status, 'completed');
    return document;
  }

  /** Names of the spans of a trace that have arrived. */
  const spansOf = (traceId: string): string[] =>
    collector.bodies.flatMap((body) =>
      [...body.matchAll(/\{"traceId":"(\w+)"[^{}]*?"name":"([^"]+)"/g)]
        .filter(([, id]) => id === traceId)
        .map(([, , name]) => String(name)),
    );
  const WHOLE = ['POST /api/v1/documents', 'send documents-fast', 'process documents-fast', 'embeddings m'];
  const isWhole = (traceId: string) => WHOLE.every((name) => spansOf(traceId).includes(name));

  it('is not kept and goes to nobody, but for the id of its trace, which stays in the service', async () => {
    const commands: string[] = [];
    const monitor = redis.createClient({ url: queue.url });
    monitor.on('monitor', (_time: string, args: string[]) => commands.push(args.join(' ')));
    await new Promise((resolve) => monitor.monitor(resolve));
    await withService({}, async (service) => {
      const traceId = newTrace();
      assert.equal((await upload(service, odd(traceId, '01'))).traceId, traceId);
      await service.call('/api/v1/search', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...odd(newTrace(), '01') },
        body: JSON.stringify({ query: 'words' }),
      });
      await until(() => isWhole(traceId));
      assert.ok(commands.some((command) => command.includes(traceId)));
      assert.ok(provider.headers.length >= 2);
      for (const headers of provider.headers)
        assert.deepEqual(
          Object.keys(headers).filter((name) => /trace|baggage|b3|request-id/.test(name)),
          [],
        );
      for (const [where, all] of Object.entries({ queue: commands, spans: collector.bodies, lines: service.lines }))
        assert.ok(!all.some((one) => one.includes(SECRET)), where);
    });
    monitor.quit();
  });

  it('does not decide whether its document is traced, and the trace has its id all the same', async () => {
    await withService({}, async (service) => {
      for (const flags of ['00', '01', '08', 'ff']) {
        const traceId = newTrace();
        assert.equal((await upload(service, odd(traceId, flags))).traceId, traceId);
        await until(() => isWhole(traceId));
      }
    });
    await withService({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, async (service) => {
      const traceId = newTrace();
      await upload(service, odd(traceId, '01'));
      assert.equal(await service.stop(), true);
      assert.deepEqual(spansOf(traceId), []);
    });
  });

  it('decides, where callers are trusted', async () => {
    await withService({ TRUST_TRACE_CONTEXT: 'true' }, async (service) => {
      const [dropped, kept] = [newTrace(), newTrace()];
      await upload(service, odd(dropped, '00'));
      await upload(service, odd(kept, '01'));
      await until(() => isWhole(kept));
      assert.deepEqual(spansOf(dropped), []);
    });
  });

  it('leaves nothing but a traceparent with what is stored', async () => {
    const program = `
      import { context, ROOT_CONTEXT, propagation } from '@opentelemetry/api';
      import { traceHeaders, traceOf } from './src/platform/trace-context.ts';
      const headers = ${JSON.stringify(odd('d'.repeat(32), '01'))};
      const leaked = {};
      context.with(traceOf(headers), () => {
        propagation.inject(context.active(), leaked);
        console.log(JSON.stringify({ stored: traceHeaders(), leaked }));
      });`;
    const args = ['--import', './telemetry/register.ts', '--input-type=module', '--eval', program];
    for (const OTEL_PROPAGATORS of ['', 'tracecontext,baggage']) {
      const env = { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none', OTEL_PROPAGATORS };
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
      const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      assert.equal(status, 0);
      const stored = { traceparent: `00-${'d'.repeat(32)}-${'c'.repeat(16)}-01` };
      assert.deepEqual(JSON.parse(output), { stored, leaked: {} });
    }
  });
});

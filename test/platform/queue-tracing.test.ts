import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { openProducer, type Producer } from '../../src/platform/queue.ts';
import { type Consumer, openConsumer } from '../../src/platform/queue-consumer.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

describe('queue tracing', function () {
  this.timeout(30_000);
  const { logger } = memoryLogger();
  let redis: RedisServer;
  let telemetry: RecordedTelemetry;
  let producer: Producer;
  let consumer: Consumer | undefined;

  before(async () => {
    redis = await openRedisServer();
  });
  after(() => redis?.close());
  beforeEach(async () => {
    telemetry = recordTelemetry();
    producer = openProducer({ name: 'errands', redisUrl: redis.url, logger });
    await until(() => producer.ready());
  });
  afterEach(async () => {
    await Promise.all([producer?.close(500), consumer?.stop(0)]);
    await telemetry?.stop();
  });

  function consume(onJob: (data: unknown) => Promise<void>, concurrency = 1): void {
    const options = { name: 'errands', redisUrl: redis.url, logger, concurrency, onJob };
    consumer = openConsumer({ ...options, sweepIntervalMs: 20 });
  }

  async function span(name: string) {
    const find = () => telemetry.spans().find((ended) => ended.name === name);
    await until(find);
    const found = find();
    assert.ok(found);
    return found;
  }

  it('makes one trace of sender, queue and handler', async () => {
    const tracer = trace.getTracer('test');
    const data: unknown[] = [];
    consume(async (received) => {
      data.push(received);
      tracer.startActiveSpan('inside', (inside) => inside.end());
    });
    await tracer.startActiveSpan('request', async (request) => {
      await producer.send({ id: 'a.1', data: { n: 1 } });
      request.end();
    });
    const [request, send, process, inside] = await Promise.all(
      ['request', 'send errands', 'process errands', 'inside'].map(span),
    );
    assert.ok(request && send && process && inside);
    assert.deepEqual(
      [send, process, inside].map((child) => [child.spanContext().traceId, child.parentSpanContext?.spanId]),
      [request, send, process].map((parent) => [request.spanContext().traceId, parent.spanContext().spanId]),
    );
    assert.deepEqual([send.kind, process.kind], [SpanKind.PRODUCER, SpanKind.CONSUMER]);
    const about = (operation: string) => ({
      'messaging.system': 'bee-queue',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation,
      'messaging.destination.name': 'errands',
      'messaging.message.id': 'a.1',
    });
    assert.deepEqual([send.attributes, process.attributes], [about('send'), about('process')]);
    assert.deepEqual(data, [{ n: 1 }]);
  });

  it('joins the trace that the sender names, and is linked to others', async () => {
    const tracer = trace.getTracer('test');
    const origin = tracer.startSpan('origin', {}, ROOT_CONTEXT);
    const retry = tracer.startSpan('retry', {}, ROOT_CONTEXT);
    await context.with(trace.setSpan(ROOT_CONTEXT, retry), () =>
      producer.send({
        id: 'b',
        data: {},
        parent: trace.setSpan(ROOT_CONTEXT, origin),
        links: [{ context: retry.spanContext() }],
      }),
    );
    const send = await span('send errands');
    assert.equal(send.spanContext().traceId, origin.spanContext().traceId);
    assert.equal(send.links[0]?.context.spanId, retry.spanContext().spanId);
    await redis.command('FLUSHALL');
  });

  it('marks a failed job with a code, never with a message', async () => {
    consume(async () => {
      throw Object.assign(new Error('secret text'), { code: 'CORRUPT_FILE' });
    });
    await producer.send({ id: 'c', data: {} });
    const { attributes, status, events } = await span('process errands');
    assert.equal(attributes['error.type'], 'CORRUPT_FILE');
    assert.deepEqual(status, { code: SpanStatusCode.ERROR });
    assert.deepEqual(events, []);
  });

  it('keeps jobs that run side by side in traces of their own', async () => {
    const tracer = trace.getTracer('test');
    const together = Promise.withResolvers<void>();
    const seen = new Map<unknown, string | undefined>();
    consume(async (data) => {
      if (seen.set(data, undefined).size === 2) together.resolve();
      await together.promise;
      seen.set(data, trace.getActiveSpan()?.spanContext().traceId);
    }, 2);
    const roots = ['one', 'two'].map((name) => tracer.startSpan(name, {}, ROOT_CONTEXT));
    for (const [index, root] of roots.entries())
      await producer.send({ id: `side-${index}`, data: index, parent: trace.setSpan(ROOT_CONTEXT, root) });
    await until(() => [...seen.values()].filter(Boolean).length === 2);
    assert.deepEqual(
      [seen.get(0), seen.get(1)],
      roots.map((root) => root.spanContext().traceId),
    );
  });

  it('works on a job without a trace, or that is none of ours', async () => {
    const seen: unknown[] = [];
    consume(async (data) => void seen.push(data));
    await redis.command('HSET', 'bq:errands:jobs', 'x', JSON.stringify({ data: { data: 1 }, options: {} }));
    await redis.command('HSET', 'bq:errands:jobs', 'y', JSON.stringify({ data: 'foreign', options: {} }));
    await redis.command('LPUSH', 'bq:errands:waiting', 'x', 'y');
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [1, undefined]);
  });

  it('makes no spans of polling, with the instrumentations of a real process', async () => {
    // Opened within a span, as a careless caller might: polling must not become part of it.
    const program = `
      import { trace } from '@opentelemetry/api';
      import winston from 'winston';
      import { openProducer } from './src/platform/queue.ts';
      import { openConsumer } from './src/platform/queue-consumer.ts';
      const options = { name: 'polled', redisUrl: '${redis.url}', logger: winston.createLogger({ silent: true }) };
      const { producer, done } = trace.getTracer('test').startActiveSpan('careless', (span) => {
        const finished = Promise.withResolvers();
        let jobs = 0;
        const onJob = async () => { if (++jobs === 3) setTimeout(() => finished.resolve(consumer.stop(100)), 200); };
        const consumer = openConsumer({ ...options, concurrency: 2, onJob, sweepIntervalMs: 10 });
        const producer = openProducer(options);
        span.end();
        return { producer, done: finished.promise };
      });
      while (!(await producer.ready())) await new Promise(setImmediate);
      for (const id of ['a', 'b', 'c']) await producer.send({ id, data: {} });
      await done;
      await producer.close(500);`;
    const child = spawn(
      process.execPath,
      ['--import', './telemetry/register.ts', '--input-type=module', '--eval', program],
      { env: { ...process.env, OTEL_TRACES_EXPORTER: 'console' }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.equal(status, 0);
    const names = [...output.matchAll(/^ {2}name: '(.*)'/gm)].map(([, name]) => name);
    // The script's own text is only sent where Redis does not know it yet.
    const expected = new Set(['careless', 'send polled', 'process polled', 'redis-evalsha', 'redis-eval']);
    assert.equal(names.filter((name) => name === 'process polled').length, 3);
    assert.ok(names.includes('redis-evalsha'), 'the redis instrumentation is on');
    assert.deepEqual(
      names.filter((name) => !expected.has(name ?? '')),
      [],
    );
    assert.ok(names.filter((name) => name === 'redis-evalsha').length <= 3, 'only sending reaches Redis in a span');
  });
});

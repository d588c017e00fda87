import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import express, { type Express, type RequestHandler } from 'express';
import supertest from 'supertest';
import { authenticate, identify } from '../../src/platform/authenticate.ts';
import { forwardedAddresses } from '../../src/platform/client-address.ts';
import { errorResponse } from '../../src/platform/error-response.ts';
import { createLifecycle, type Lifecycle } from '../../src/platform/lifecycle.ts';
import { openLimits } from '../../src/platform/open-limits.ts';
import { rateLimit } from '../../src/platform/rate-limit.ts';
import { type LimitRedis, openLimitRedis } from '../../src/platform/rate-limit-redis.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

/** What an address of the documentation range looks like to a trusted proxy. */
const from = (address: string) => ({ 'X-Forwarded-For': address });

describe('rate limit', function () {
  this.timeout(60_000);
  let server: RedisServer;
  let telemetry: RecordedTelemetry;
  let log: ReturnType<typeof memoryLogger>;
  const clients: LimitRedis[] = [];

  beforeEach(async () => {
    telemetry = recordTelemetry();
    log = memoryLogger();
    server = await openRedisServer();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await server?.close();
    await telemetry?.stop();
  });

  function openClient({ timeoutMs = 5000 } = {}): LimitRedis {
    const client = openLimitRedis({ url: server.url, logger: log.logger, timeoutMs });
    clients.push(client);
    return client;
  }

  async function readyClient(options = {}): Promise<LimitRedis> {
    const client = openClient(options);
    await until(() => client.ping());
    return client;
  }

  const options = (redis: LimitRedis) => ({
    redis,
    max: 100,
    windowMs: 3_600_000,
    prefix: 'requests:',
    paths: ['/things'],
    logger: log.logger,
  });

  function app(limit: RequestHandler, { trustProxy = false as boolean | string } = {}): Express {
    const { logger } = memoryLogger();
    return express()
      .set('trust proxy', trustProxy)
      .use(limit)
      .use((_request, response) => void response.json({}))
      .use(errorResponse({ logger }));
  }

  /** Statuses of requests sent one after the other, each with its headers. */
  async function statuses(target: Express, headers: Record<string, string>[]): Promise<number[]> {
    const answers: number[] = [];
    for (const header of headers) answers.push((await supertest(target).get('/things').set(header)).status);
    return answers;
  }

  const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

  it('is one limit for all processes', async () => {
    const apps = [app(rateLimit(options(await readyClient()))), app(rateLimit(options(await readyClient())))];
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, index) => supertest(apps[index % 2] as Express).get('/things')),
    );
    const counted = Object.groupBy(answers, (answer) => String(answer.status));
    assert.equal(counted['200']?.length, 100);
    assert.equal(counted['429']?.length, 50);
  });

  it('says how much is left, and past the limit when to come back', async () => {
    const target = app(rateLimit({ ...options(await readyClient()), max: 1 }));
    const passed = await supertest(target).get('/things');
    assert.match(passed.get('RateLimit') ?? '', /; r=0; t=\d+$/);
    assert.match(passed.get('RateLimit-Policy') ?? '', /; q=1; w=3600; pk=:/);
    assert.equal(passed.get('Retry-After'), undefined);
    const refused = await supertest(target).get('/things');
    assert.equal(refused.status, 429);
    assert.match(refused.get('RateLimit') ?? '', /; r=0; t=\d+$/);
    assert.equal(refused.body.error, 'RATE_LIMITED');
    assert.equal(String(refused.body.retryAfter), refused.get('Retry-After'));
    assert.ok(refused.body.retryAfter > 0 && refused.body.retryAfter <= 3600);
  });

  it('lets an address in again after the window', async () => {
    const target = app(rateLimit({ ...options(await readyClient()), max: 1, windowMs: 1000 }));
    await until(async () => (await supertest(target).get('/things')).status === 429);
    await until(async () => (await supertest(target).get('/things')).status === 200);
  });

  it('believes no forwarded address unless told to', async () => {
    const target = app(rateLimit({ ...options(await readyClient()), max: 2 }));
    const forged = ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4'].map(from);
    assert.deepEqual(await statuses(target, forged), [200, 200, 429, 429]);
    assert.deepEqual(log.lines, []);
  });

  it('takes the address that the trusted proxy saw, not one that the client added', async () => {
    const target = app(rateLimit({ ...options(await readyClient()), max: 1 }), { trustProxy: 'loopback' });
    const chain = [from('203.0.113.1'), from('198.51.100.7, 203.0.113.1'), from('203.0.113.2')];
    assert.deepEqual(await statuses(target, chain), [200, 429, 200]);
  });

  it('takes an IPv6 network of 56 bits for one client, and a mapped IPv4 address for itself', async () => {
    const target = app(rateLimit({ ...options(await readyClient()), max: 1 }), { trustProxy: 'loopback' });
    const sameNetwork = ['2001:db8:0:1200::1', '2001:db8:0:12ff::2', '2001:db8:0:1300::1'].map(from);
    assert.deepEqual(await statuses(target, sameNetwork), [200, 429, 200]);
    assert.deepEqual(await statuses(target, ['203.0.113.9', '::ffff:203.0.113.9'].map(from)), [200, 429]);
  });

  it('bears a request whose client, and so its address, is gone', async () => {
    const limit = rateLimit(options(await readyClient()));
    const target = app((request, response, next) => {
      Object.defineProperty(request, 'ip', { value: undefined });
      return limit(request, response, next);
    });
    assert.deepEqual(await statuses(target, [{}]), [200]);
  });

  it('counts what it refuses by known paths only', async () => {
    const target = app(rateLimit({ ...options(await readyClient()), max: 1 }));
    for (const path of ['/things', '/things/', '/things/42', '/else?x=1']) await supertest(target).get(path);
    const points = await telemetry.points('rate_limited_requests_total');
    assert.deepEqual(Object.fromEntries(points.map(({ labels, value }) => [labels['path'], value])), {
      '/things': 1,
      unmatched: 2,
    });
  });

  it('is on once Redis is, where that was down at the start', async () => {
    await server.stop();
    const target = app(rateLimit({ ...options(openClient()), max: 2 }));
    assert.deepEqual(await statuses(target, times(4, {})), [200, 200, 200, 200]);
    await server.start();
    await until(async () => (await supertest(target).get('/things')).status === 429);
  });

  const outages: Record<string, { begin: () => unknown; end: () => unknown }> = {
    'is away and comes back empty': { begin: () => server.kill(), end: () => server.start({ data: 'discard' }) },
    'is frozen': { begin: () => server.freeze(), end: () => server.thaw() },
  };
  for (const [what, { begin, end }] of Object.entries(outages)) {
    it(`lets requests pass while Redis ${what}, tells of it once, and limits again by itself`, async () => {
      const target = app(rateLimit({ ...options(await readyClient({ timeoutMs: 150 })), max: 2 }));
      assert.deepEqual(await statuses(target, times(3, {})), [200, 200, 429]);
      await begin();
      assert.deepEqual(await statuses(target, times(5, {})), times(5, 200));
      await end();
      await until(async () => (await supertest(target).get('/things')).status === 429);
      assert.deepEqual(
        log.lines.map(({ message }) => message),
        ['rate limit fails', 'rate limit works again'],
      );
      const [failures] = await telemetry.points('rate_limit_failures_total');
      assert.ok(Number(failures?.value) >= 5);
    });
  }

  it('leaves no span in the trace of a request, with the instrumentations of a real process', async () => {
    const program = `
      import { trace } from '@opentelemetry/api';
      import express from 'express';
      import winston from 'winston';
      import { rateLimit } from './src/platform/rate-limit.ts';
      import { openLimitRedis } from './src/platform/rate-limit-redis.ts';
      import { openRedis } from './src/platform/redis.ts';
      const logger = winston.createLogger({ silent: true });
      const other = openRedis({ url: '${server.url}', whenDown: 'wait', log: { failed() {}, recovered() {} } });
      const redis = openLimitRedis({ url: '${server.url}', logger });
      while (!(await redis.ping())) await new Promise(setImmediate);
      const limit = rateLimit({ redis, max: 1, windowMs: 1000, prefix: 'x', paths: [], logger });
      const ended = Promise.withResolvers();
      const http = express()
        .use((request, response, next) => trace.getTracer('test').startActiveSpan('request', (span) => {
          other.get('seen', () => undefined);
          response.once('finish', () => { span.end(); ended.resolve(); });
          next();
        }))
        .use(limit, (request, response) => response.end())
        .listen(0, '127.0.0.1');
      await new Promise((resolve) => http.once('listening', resolve));
      await fetch('http://127.0.0.1:' + http.address().port);
      await ended.promise;
      http.close();
      other.quit();
      await redis.close();`;
    const args = ['--import', './telemetry/register.ts', '--input-type=module', '--eval', program];
    const env = { ...process.env, OTEL_TRACES_EXPORTER: 'console' };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.equal(status, 0);
    const names = [...output.matchAll(/^ {2}name: '(.*)'/gm)].map(([, name]) => name);
    assert.deepEqual(names.sort(), ['redis-get', 'request']);
  });

  describe('and keys', () => {
    const RIGHT = { 'X-API-Key': 'right' };
    const OTHER = { 'X-API-Key': 'other' };
    const WRONG = { 'X-API-Key': 'wrong' };
    let lifecycle: Lifecycle;
    beforeEach(() => {
      lifecycle = createLifecycle({ logger: log.logger, timeoutMs: 5_000, delayMs: 0 });
    });
    afterEach(() => lifecycle.close());

    async function door(max: number): Promise<Express> {
      const limits = openLimits({
        redisUrl: server.url,
        max,
        windowMs: 3_600_000,
        paths: ['/things/:id'],
        logger: log.logger,
        lifecycle,
      });
      await until(() => limits.ping());
      return express()
        .set('trust proxy', 'loopback')
        .use(forwardedAddresses({ logger: log.logger }))
        .use(identify({ keys: { match: (key) => (['right', 'other'].includes(key) ? key : undefined) } }))
        .use(limits.requests)
        .use(limits.guesses)
        .use(authenticate)
        .get('/things/:id', (_request, response) => void response.json({}))
        .use(errorResponse({ logger: log.logger }));
    }
    const ask = async (target: Express, headers: Record<string, string>[]): Promise<number[]> => {
      const answers: number[] = [];
      for (const header of headers) answers.push((await supertest(target).get('/things/1').set(header)).status);
      return answers;
    };

    it('ends guessing, and takes nothing from whoever has a right key at the same address', async () => {
      const target = await door(25);
      assert.deepEqual(await ask(target, times(23, WRONG)), [...times(20, 401), ...times(3, 429)]);
      const refused = await supertest(target).get('/things/1').set(WRONG);
      assert.ok(Number(refused.get('Retry-After')) > 0);
      assert.deepEqual(await ask(target, times(26, RIGHT)), [...times(25, 200), 429]);
      assert.deepEqual(await ask(target, [{ ...WRONG, ...from('203.0.113.5') }]), [401]);
    });

    it('counts an address, whatever its keys, and apart from those what carries none', async () => {
      const target = await door(2);
      assert.deepEqual(await ask(target, times(3, {})), [401, 401, 429]);
      assert.deepEqual(await ask(target, [RIGHT, OTHER, RIGHT]), [200, 200, 429]);
    });

    it('bears any number of wrong keys at a time without letting one more be tried', async () => {
      const target = (await door(100)).listen(0, '127.0.0.1');
      const answers = await Promise.all(
        times(60, WRONG).map((header) => supertest(target).get('/things/1').set(header)),
      );
      assert.equal(answers.filter(({ status }) => status === 401).length, 20);
      target.close();
    });

    it('counts what it refuses by the pattern of its route', async () => {
      await ask(await door(1), [RIGHT, RIGHT]);
      const points = await telemetry.points('rate_limited_requests_total');
      assert.deepEqual(Object.fromEntries(points.map(({ labels, value }) => [labels['path'], value])), {
        '/things/:id': 1,
        unmatched: 0,
      });
    });

    it('takes an address for the same with a port, in brackets, with a zone or quoted', async () => {
      const target = await door(1);
      for (const [index, written] of [
        ['203.0.113.9', '203.0.113.9:5555', '203.0.113.9:6666', '"203.0.113.9:1"', '198.51.100.1:1, 203.0.113.9:2'],
        ['2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:443', '"[2001:db8::1]:80"', '[2001:db8:0:00ff::2]:1'],
        ['fe80::1', 'fe80::1%eth0', '[fe80::1%eth1]:8080'],
        // No addresses: those of the proxy that wrote them.
        ['unknown', '<script>', '', '_hidden:80'],
      ].entries())
        assert.deepEqual(
          await ask(
            target,
            written.map((address) => ({ ...RIGHT, ...from(address) })),
          ),
          [200, ...times(written.length - 1, 429)],
          String(index),
        );
    });
  });

  it('says once, and without the address, that it does not believe a proxy that nobody named', async () => {
    for (const [trusted, told] of [
      [false, 1],
      ['loopback', 0],
    ] as const) {
      log.lines.length = 0;
      const target = express()
        .set('trust proxy', trusted)
        .use(forwardedAddresses({ logger: log.logger }))
        .use((_request, response) => void response.end());
      await statuses(target, times(3, from('203.0.113.1')));
      await statuses(target, times(3, {}));
      assert.equal(log.lines.filter(({ message }) => message.includes('TRUST_PROXY')).length, told);
      assert.doesNotMatch(JSON.stringify(log.lines), /203\.0|127\.0/);
    }
  });
});

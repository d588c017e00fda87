import assert from 'node:assert/strict';
import { getFrom } from '../support/raw-http.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

describe('the limit of requests, of two backends on one Redis', function suite() {
  this.timeout(180_000);
  let redis: RedisServer;
  let services: Service[];
  before(async () => {
    redis = await openRedisServer();
    const env = { REDIS_URL: redis.url, RATE_LIMIT_MAX: '100', RATE_LIMIT_WINDOW: '1 hour' };
    services = [await startService(env), await startService(env)];
  });
  after(async () => {
    for (const service of services ?? []) await service.stop();
    await redis?.close();
  });

  /** Asks the backends in turn, each time with another forged address. */
  function ask(count: number, localAddress = '127.0.0.1') {
    return Promise.all(
      Array.from({ length: count }, (_, index) => {
        const { stack } = services[index % 2] as Service;
        const forged = `203.0.113.${index}, 198.51.100.${index}`;
        return getFrom(`${stack.apiUrl}/api/v1/documents?limit=1`, {
          localAddress,
          headers: { 'x-api-key': stack.apiKey, 'x-forwarded-for': forged, forwarded: `for=203.0.113.${index}` },
        });
      }),
    );
  }
  const statusesOf = (answers: { status: number }[]) =>
    Object.fromEntries(
      Object.entries(Object.groupBy(answers, ({ status }) => status)).map(([s, all]) => [s, all?.length]),
    );

  it('lets 100 of 150 pass, whatever address they pretend to come from', async () => {
    const answers = await ask(150);
    assert.deepEqual(statusesOf(answers), { 200: 100, 429: 50 });
    for (const { headers, body } of answers.filter(({ status }) => status === 429)) {
      assert.match(String(headers['ratelimit']), /r=0; t=\d+$/);
      assert.match(String(headers['ratelimit-policy']), /q=100; w=3600/);
      assert.equal(headers['retry-after'], String(body['retryAfter']));
      assert.equal(body['error'], 'RATE_LIMITED');
      assert.equal(body['requestId'], headers['x-request-id']);
    }
  });

  it('exempts health and series', async () => {
    for (const { stack } of services) {
      for (const path of ['/health', '/live', '/ready']) assert.equal((await fetch(stack.apiUrl + path)).status, 200);
    }
  });

  it('counts what it refuses by its route, in both series alike', async () => {
    const count = async (name: string) => {
      const all = await Promise.all(services.map(async ({ stack }) => (await fetch(stack.metricsUrl)).text()));
      const line = new RegExp(`^${name}\\{(?:.*,)?path="/api/v1/documents"(?:,status="429")?\\} (\\d+)`, 'm');
      return all.reduce((sum, series) => sum + Number(line.exec(series)?.[1] ?? 0), 0);
    };
    assert.deepEqual([await count('rate_limited_requests_total'), await count('http_requests_total')], [50, 50]);
  });

  it('leaves others alone', async function others() {
    // Other systems than Linux have no second address of their own to send from.
    if (process.platform !== 'linux') this.skip();
    assert.deepEqual(statusesOf(await ask(10, '127.0.0.2')), { 200: 10 });
  });

  it('is off while Redis is away, and on again by itself', async () => {
    await redis.stop();
    assert.deepEqual(statusesOf(await ask(40)), { 200: 40 });
    await redis.start();
    await until(async () => (await ask(2)).every(({ status }) => status === 429));
    await redis.freeze();
    assert.deepEqual(statusesOf(await ask(40)), { 200: 40 });
    redis.thaw();
    await until(async () => (await ask(2)).every(({ status }) => status === 429));
    for (const { lines } of services) {
      const told = lines.filter((line) => line.startsWith('backend') && line.includes('rate limit fails'));
      assert.ok(told.length <= 2, `one line for each outage, not ${told.length}`);
    }
  });
});

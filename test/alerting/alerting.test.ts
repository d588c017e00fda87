import assert from 'node:assert/strict';
import { openAlerting } from '../../src/alerting/open-alerting.ts';
import { watchParts } from '../../src/alerting/watch-parts.ts';
import { logFailed } from '../../src/documents/after-failure.ts';
import { createLifecycle } from '../../src/platform/lifecycle.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { openWebhookServer, type WebhookServer } from './webhook-server.ts';

describe('alerting', () => {
  let redis: RedisServer;
  let hook: WebhookServer;
  let telemetry: RecordedTelemetry;
  const lifecycles: { close(): Promise<boolean> }[] = [];
  beforeEach(async () => {
    telemetry = recordTelemetry();
    redis = await openRedisServer();
    hook = await openWebhookServer();
  });
  afterEach(async () => {
    for (const lifecycle of lifecycles.splice(0)) await lifecycle.close();
    await hook.close();
    await redis.close();
    await telemetry.stop();
  });

  /** What a process has: a logger whose errors are watched. */
  function openProcess({ isHeard = true, threshold = 3 } = {}) {
    const { logger, lines } = memoryLogger();
    const url = isHeard ? hook.url : undefined;
    const lifecycle = createLifecycle({ logger, timeoutMs: 10_000, delayMs: 0 });
    const report = openAlerting({ url, threshold, redisUrl: redis.url, logger, lifecycle, retryMs: 1 });
    lifecycles.push(lifecycle);
    return { logger, lines, lifecycle, report };
  }
  const outcomes = async () =>
    Object.fromEntries(
      (await telemetry.points('alerts_sent_total')).map(({ labels, value }) => [labels['outcome'], value]),
    );
  /** Until nothing is on its way any more. */
  const settle = () => Promise.all(lifecycles.splice(0).map((lifecycle) => lifecycle.close()));
  const connected = async () =>
    until(async () => /connected_clients:([2-9])/.test(String(await redis.command('INFO', 'clients'))));

  it('tells of an error when it has come often, once', async () => {
    const { logger } = openProcess();
    await connected();
    for (let count = 0; count < 10; count += 1)
      logger.error('it broke', {
        errorType: 'E_BROKEN',
        trace_id: 'a'.repeat(32),
        documentId: 'd-1',
        query: 'private',
      });
    logger.error('something else broke', { errorType: 'E_BROKEN' });
    await settle();
    assert.equal(hook.received.length, 1);
    const [alert] = hook.received;
    assert.match(
      String(alert?.['text']),
      /^\[ragbase error\] it broke: E_BROKEN, 3 times within an hour, trace a{32}$/,
    );
    assert.deepEqual([alert?.['level'], alert?.['message'], alert?.['traceId']], ['error', 'it broke', 'a'.repeat(32)]);
    assert.deepEqual(alert?.['context'], {
      documentId: 'd-1',
      errorType: 'E_BROKEN',
      type: 'it broke: E_BROKEN',
      count: 3,
    });
    assert.match(String(alert?.['timestamp']), /^\d{4}-.*Z$/);
    assert.deepEqual(await outcomes(), { sent: 1, failed: 0, dropped: 0 });
  });

  it('counts over all processes', async () => {
    const processes = [openProcess(), openProcess()];
    await connected();
    for (const { logger } of [...processes, ...processes]) logger.error('it broke');
    await settle();
    assert.equal(hook.received.length, 1);
  });

  it('counts by itself while Redis is away', async () => {
    await redis.kill();
    const { logger } = openProcess();
    for (let count = 0; count < 5; count += 1) logger.error('it broke');
    await settle();
    assert.equal(hook.received.length, 1);
  });

  it('tells of what is critical at once, of a full disk on any line, and of nothing less', async () => {
    const { logger } = openProcess();
    await connected();
    logger.error('document given up', { alert: 'critical' });
    logger.warn('a pass failed', { error: Object.assign(new Error('disk'), { code: '53100' }) });
    logger.warn('a warning', { errorType: 'ECONNRESET' });
    logger.error('once is not often');
    await settle();
    const told = hook.received.map(({ level, message }) => `${level} ${message}`);
    assert.deepEqual(told.sort(), ['critical a pass failed', 'critical document given up']);
  });

  it('breaks nothing where the webhook does not take it, and tries again later', async () => {
    await hook.close();
    const { logger, lines, lifecycle } = openProcess({ threshold: 1 });
    await connected();
    logger.error('it broke');
    await until(() => lines.some(({ message }) => message === 'an alert could not be sent'));
    await lifecycle.close();
    const told = (await redis.command('KEYS', 'alert:told:*')) as string[];
    const left = Number(await redis.command('PTTL', String(told[0])));
    assert.ok(left > 0 && left <= 60_000, 'the next one after a minute is sent');
    assert.equal((await outcomes())['failed'], 1);
    hook = await openWebhookServer();
  });

  it('says once that nobody is told', async () => {
    const { logger, lines } = openProcess({ isHeard: false });
    logger.error('it broke', { alert: 'critical' });
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn', 'error'],
    );
    assert.match(String(lines[0]?.message), /ALERT_WEBHOOK_URL is not set/);
  });

  it('is told of a part that stays away, once each time', async () => {
    const { logger, lines } = memoryLogger();
    const lifecycle = createLifecycle({ logger, timeoutMs: 1_000, delayMs: 0 });
    lifecycles.push(lifecycle);
    let isThere = true;
    let seen = (): unknown => undefined;
    const checks = async () => {
      seen();
      return { database: isThere };
    };
    watchParts({ checks, lostAfterMs: 50, intervalMs: 5, logger, lifecycle });
    const told = () => lines.filter((line) => line['alert'] === 'critical' && line['part'] === 'database').length;
    isThere = false;
    await until(() => told() === 1);
    isThere = true;
    let looks = 0;
    seen = () => (looks += 1);
    await until(() => looks > 1);
    isThere = false;
    await until(() => told() === 2);
  });

  it('is told of documents that are given up, and of broken files when many come', () => {
    const { logger, lines } = memoryLogger();
    const failed = { id: 'd', status: 'failed', trace_id: 't' } as Parameters<typeof logFailed>[0];
    logFailed({ ...failed, error_code: 'WORKER_CRASHED' }, logger);
    for (const error_code of ['CORRUPT_FILE', 'PARSE_TIMEOUT'] as const) logFailed({ ...failed, error_code }, logger);
    assert.deepEqual(
      lines.map((line) => [line.level, line['alert'], line['errorType']]),
      [
        ['error', 'critical', 'WORKER_CRASHED'],
        ['warn', 'error', 'CORRUPT_FILE'],
        ['warn', 'error', 'PARSE_TIMEOUT'],
      ],
    );
  });
});

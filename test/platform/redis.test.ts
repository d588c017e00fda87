import assert from 'node:assert/strict';
import { burstLog } from '../../src/platform/burst-log.ts';
import { closeRedis, openRedis, type RedisClient } from '../../src/platform/redis.ts';
import { sendCommand } from '../../src/platform/redis-command.ts';
import { COUNT_PROBE, probeRedis } from '../../src/platform/redis-probe.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const probe = { key: 'test:probe', script: COUNT_PROBE };
const works = (client: RedisClient, timeoutMs = 500) => probeRedis(client, probe, timeoutMs);

describe('openRedis', function () {
  this.timeout(30_000);
  const { logger, lines } = memoryLogger();
  let server: RedisServer;
  let client: RedisClient;

  before(async () => {
    server = await openRedisServer();
    client = openRedis({ url: server.url, whenDown: 'reject', probe, log: burstLog({ logger, subject: 'redis' }) });
    await until(() => works(client));
  });
  after(async () => {
    await closeRedis(client, 200);
    await server?.close();
  });

  it('sends commands', async () => {
    assert.equal(await sendCommand(client, ['SET', 'a', '1'], { timeoutMs: 5000 }), 'OK');
    assert.equal(await sendCommand(client, ['GET', 'a'], { timeoutMs: 5000 }), '1');
    await assert.rejects(sendCommand(client, ['INCRBY', 'a', 'x'], { timeoutMs: 5000 }), { code: 'ERR' });
  });

  it('gives up on a frozen Redis, and goes on after it', async () => {
    server.freeze();
    await assert.rejects(sendCommand(client, ['GET', 'a'], { timeoutMs: 20 }), { code: 'REDIS_TIMEOUT' });
    assert.equal(await works(client, 20), false);
    server.thaw();
    await until(() => works(client));
  });

  it('rejects at once while Redis is down, reconnects by itself, and tells in two lines', async () => {
    await server.kill();
    await until(() => lines.length > 0);
    await assert.rejects(sendCommand(client, ['GET', 'a'], { timeoutMs: 60_000 }), { code: 'NR_CLOSED' });
    assert.equal(await works(client, 60_000), false);
    await server.start({ data: 'keep' });
    await until(() => works(client));
    assert.equal(await sendCommand(client, ['GET', 'a'], { timeoutMs: 5000 }), '1');
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [
        ['warn', 'redis fails'],
        ['info', 'redis works again'],
      ],
    );
  });

  it('closes in bounded time, whatever the state of Redis', async () => {
    const open = () => openRedis({ url: server.url, whenDown: 'wait', log: burstLog({ logger, subject: 'redis' }) });
    const working = open();
    await until(() => works(working));
    await closeRedis(working, 60_000);
    const frozen = open();
    await until(() => works(frozen));
    server.freeze();
    await closeRedis(frozen, 50);
    server.thaw();
    await server.kill();
    const waiting = open();
    assert.equal(await works(waiting, 60_000), false);
    await closeRedis(waiting, 50);
  });
});

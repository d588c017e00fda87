import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { openTally, type Tally } from '../../src/alerting/tally.ts';
import { burstLog } from '../../src/platform/burst-log.ts';
import { openProducer, type Producer } from '../../src/platform/queue.ts';
import { type Consumer, openConsumer } from '../../src/platform/queue-consumer.ts';
import { type LimitRedis, openLimitRedis } from '../../src/platform/rate-limit-redis.ts';
import { rateLimitStore } from '../../src/platform/rate-limit-store.ts';
import { closeRedis, openRedis, type RedisClient, type RedisUrl } from '../../src/platform/redis.ts';
import { callRedis } from '../../src/platform/redis-command.ts';
import { COUNT_PROBE, probeRedis } from '../../src/platform/redis-probe.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { openSeverableProxy } from '../support/severable-proxy.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'p#a/s@s%zz:w?rd';

interface RateLimitStore {
  init(options: { windowMs: number }): void;
  increment(key: string): Promise<{ totalHits: number }>;
}

/** Everything of a process that has a connection to Redis. */
interface Parts {
  producer: Producer;
  consumer: Consumer;
  limit: LimitRedis;
  tally: Tally;
  seen: Set<string>;
  log: ReturnType<typeof memoryLogger>;
}

describe('Redis that refuses', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let admin: RedisClient;
  let parts: Parts | undefined;
  let sent = 0;

  beforeEach(async () => {
    redis = await openRedisServer({ down: true });
    await redis.start({ password: PASSWORD });
    const log = burstLog({ logger: memoryLogger().logger, subject: 'admin' });
    admin = openRedis({ url: urlOf('default', PASSWORD), whenDown: 'wait', log });
    await command('ACL', 'SETUSER', 'ragbase', 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
  });
  afterEach(async () => {
    await Promise.all([
      parts?.producer.close(500),
      parts?.consumer.stop(0),
      parts?.limit.close(),
      parts?.tally.close(),
    ]);
    parts = undefined;
    await closeRedis(admin, 200);
    await redis.close();
  });

  const urlOf = (user: string, password: string, port = redis.port) =>
    `redis://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  const command = (name: string, ...args: string[]) => callRedis(admin, name, args);

  function open(url: RedisUrl = urlOf('ragbase', PASSWORD)): Parts {
    const log = memoryLogger();
    const seen = new Set<string>();
    const options = { name: 'errands', redisUrl: url, logger: log.logger };
    const onJob = async (_data: unknown, { id }: { id: string }) => void seen.add(id);
    parts = {
      producer: openProducer(options),
      consumer: openConsumer({ ...options, concurrency: 1, sweepIntervalMs: 50, onJob }),
      limit: openLimitRedis({ url, logger: log.logger }),
      tally: openTally({ redisUrl: url, logger: log.logger, windowMs: 60_000 }),
      seen,
      log,
    };
    return parts;
  }

  /** Within less time than it takes to notice a connection that is silent for having been refused. */
  async function allWork({ producer, consumer, limit, tally, seen }: Parts, giveUpMs = 8_000): Promise<void> {
    await until(async () => (await producer.ready()) && (await consumer.ready()) && (await limit.ping()), giveUpMs);
    sent += 1;
    const id = `job-${sent}`;
    await until(async () => ['queued', 'duplicate'].includes(await producer.send({ id, data: {} })));
    await until(() => seen.has(id));
    // Counted in memory it would be 1 again and again.
    await until(async () => {
      await tally.count('type', 1_000);
      return Number(await command('EXISTS', ...(await keysOfTally()))) > 0;
    });
  }
  function rateLimitStoreOf(redis: LimitRedis): RateLimitStore {
    const store = rateLimitStore({ redis, prefix: 'limit:requests:' }) as RateLimitStore;
    store.init({ windowMs: 60_000 });
    return store;
  }
  const keysOfTally = async () => ['none', ...((await command('KEYS', 'alert:count:*')) as string[])];

  /** None says that it is ready, and the log says why. */
  async function noneWorks({ producer, consumer, limit, log }: Parts, why: RegExp): Promise<void> {
    await until(async () => !(await producer.ready()) && !(await consumer.ready()) && !(await limit.ping()));
    await until(() => log.lines.some(({ problem }) => why.test(String(problem))));
  }

  it('is spoken to with the password of now, whoever was given the new one first', async () => {
    let password = PASSWORD;
    let isAway = false;
    const parts = open(() => {
      if (isAway) throw new Error('the file is away');
      return urlOf('ragbase', password);
    });
    await allWork(parts);
    for (const [index, next] of ['second#', 'third/'].entries()) {
      const exchange = () => command('ACL', 'SETUSER', 'ragbase', 'resetpass', `>${next}`);
      if (index === 0) await exchange();
      password = next;
      if (index === 1) await exchange();
      await killOthers();
      await allWork(parts);
    }
    isAway = true;
    await killOthers();
    await allWork(parts);
  });

  const refusals: Record<string, { begins: () => Promise<unknown>; ends: () => Promise<unknown>; why: RegExp }> = {
    'the password': {
      begins: () => command('ACL', 'SETUSER', 'ragbase', 'resetpass', '>another').then(killOthers),
      ends: () => command('ACL', 'SETUSER', 'ragbase', `>${PASSWORD}`),
      why: /refuses the user or password of REDIS_URL/,
    },
    'the user': {
      begins: () => command('ACL', 'DELUSER', 'ragbase'),
      ends: () => command('ACL', 'SETUSER', 'ragbase', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'),
      why: /refuses the user or password/,
    },
    'every command': {
      begins: () => command('ACL', 'SETUSER', 'ragbase', '-@all').then(killOthers),
      ends: () => command('ACL', 'SETUSER', 'ragbase', '+@all'),
      why: /lacks the permission for PING/,
    },
    scripts: {
      begins: () => command('ACL', 'SETUSER', 'ragbase', '-eval', '-evalsha'),
      ends: () => command('ACL', 'SETUSER', 'ragbase', '+eval', '+evalsha'),
      why: /lacks the permission for EVAL/,
    },
    'a command within scripts': {
      begins: () => command('ACL', 'SETUSER', 'ragbase', '-hset', '-set'),
      ends: () => command('ACL', 'SETUSER', 'ragbase', '+hset', '+set'),
      why: /lacks a permission; README.md lists/,
    },
    'its keys': {
      begins: () => command('ACL', 'SETUSER', 'ragbase', 'resetkeys', '~other:*'),
      ends: () => command('ACL', 'SETUSER', 'ragbase', '~*'),
      why: /lacks the permission for a key/,
    },
    'writes, being a replica,': {
      begins: () => command('REPLICAOF', '127.0.0.1', '1'),
      ends: () => command('REPLICAOF', 'NO', 'ONE'),
      why: /read-only replica/,
    },
    'everything, having lost its master,': {
      begins: async () => {
        await command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
        await command('REPLICAOF', '127.0.0.1', '1');
      },
      ends: () => command('REPLICAOF', 'NO', 'ONE'),
      why: /lost its master/,
    },
    'writes, being full,': {
      begins: () => command('CONFIG', 'SET', 'maxmemory', '1'),
      ends: () => command('CONFIG', 'SET', 'maxmemory', '0'),
      why: /full/,
    },
    connections: {
      begins: () => command('CONFIG', 'SET', 'maxclients', '1').then(killOthers),
      ends: () => command('CONFIG', 'SET', 'maxclients', '100'),
      why: /maxclients/,
    },
  };
  /** Existing connections keep what they have. */
  const killOthers = () => command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

  for (const [what, { begins, ends, why }] of Object.entries(refusals)) {
    it(`${what} for a while is found again by every connection`, async () => {
      const running = open();
      await allWork(running);
      await begins();
      await noneWorks(running, why);
      await ends();
      await allWork(running);
    });

    it(`${what} from the start is found by every connection once it does not`, async () => {
      await begins();
      const early = open();
      await noneWorks(early, why);
      await ends();
      await allWork(early);
    });
  }

  it('all but what README.md lists serves every connection', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const [, rights = ''] = /^ACL SETUSER ragbase on >password ([^`]+)```/m.exec(readme) ?? [];
    await command('ACL', 'DELUSER', 'ragbase');
    await command('ACL', 'SETUSER', 'ragbase', 'on', `>${PASSWORD}`, ...rights.trim().split(/\s+/));
    const listed = open();
    await allWork(listed);
    await listed.producer.send({ id: 'delayed', data: {}, delayUntil: new Date(Date.now() + 100) });
    await until(() => listed.seen.has('delayed'));
    const counted = await rateLimitStoreOf(listed.limit).increment('an address');
    assert.equal(counted.totalHits, 1);
    assert.equal((await listed.producer.counts()).waiting, 0);
    assert.deepEqual(await command('ACL', 'LOG'), []);
  });

  it('tells of one refusal in one line of each part, however long it lasts', async () => {
    await command('ACL', 'SETUSER', 'ragbase', 'resetpass', '>another');
    const { log } = open();
    await until(async () => {
      const entries = (await command('ACL', 'LOG')) as unknown[][];
      return entries.reduce((sum, [, count]) => sum + Number(count), 0) >= 25;
    });
    assert.equal(log.lines.length, 4);
    assert.deepEqual([...new Set(log.lines.map(({ errorType }) => errorType))], ['WRONGPASS']);
  });
  it('the old password after a restart is found again with the right one', async () => {
    const running = open(urlOf('default', PASSWORD));
    await allWork(running);
    await redis.stop();
    await redis.start({ password: 'rotated' });
    await noneWorks(running, /refuses the user or password/);
    await redis.stop();
    await redis.start({ password: PASSWORD });
    await allWork(running);
  });

  it('nothing, and says nothing either, is given up for a new connection', async () => {
    const proxy = await openSeverableProxy(redis.port);
    const log = memoryLogger();
    const probe = { key: 'test:probe', script: COUNT_PROBE };
    const url = urlOf('ragbase', PASSWORD, proxy.port);
    const client = openRedis({
      url,
      whenDown: 'reject',
      probe,
      log: burstLog({ logger: log.logger, subject: 'redis' }),
      watchMs: 100,
    });
    await until(() => probeRedis(client, probe, 1_000));
    const first = client.stream;
    proxy.lose();
    proxy.mend();
    await until(() => client.stream !== first && probeRedis(client, probe, 1_000));
    assert.deepEqual(
      log.lines.map(({ message, errorType }) => errorType ?? message),
      ['REDIS_TIMEOUT', 'redis works again'],
    );
    await closeRedis(client, 500);
    proxy.close();
  });

  it('nothing, and leaves every connection silent, costs no job', async () => {
    const proxy = await openSeverableProxy(redis.port);
    const running = open(urlOf('ragbase', PASSWORD, proxy.port));
    await allWork(running);
    proxy.lose();
    proxy.mend();
    await allWork(running, 30_000);
    proxy.close();
  });
});

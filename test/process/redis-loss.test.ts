import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const DOCUMENTS = 500;

describe('a Redis that loses everything', function suite() {
  this.timeout(300_000);
  let redis: RedisServer;
  let service: Service;
  before(async () => {
    redis = await openRedisServer();
    service = await startService({ REDIS_URL: redis.url });
  });
  after(async () => {
    await service?.stop();
    await redis?.close();
  });

  const counts = async () => {
    const stats = (await (await service.call('/api/v1/stats')).json()) as { documents: Record<string, number> };
    return stats.documents;
  };

  it(`with ${DOCUMENTS} documents on the queue costs none of them`, async () => {
    const worker = service.stack.processes.find(({ name }) => name === 'worker')?.pid;
    assert.ok(worker);
    process.kill(worker, 'SIGSTOP');
    for (let sent = 0; sent < DOCUMENTS; sent += 10) {
      const responses = await Promise.all(
        Array.from({ length: 10 }, (_, index) => service.upload(`${sent + index}.txt`, randomUUID())),
      );
      for (const { status } of responses) assert.equal(status, 202);
    }
    await redis.kill();
    await redis.start({ data: 'discard' });
    assert.deepEqual(await redis.command('KEYS', 'bq:documents-*:jobs'), []);
    process.kill(worker, 'SIGCONT');
    await until(async () => (await counts())['completed'] === DOCUMENTS, 240_000);
    const { queued, processing, failed } = await counts();
    assert.deepEqual([queued, processing, failed], [0, 0, 0]);
  });
});

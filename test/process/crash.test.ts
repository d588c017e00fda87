import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Enough text that documents are still under way when the blow falls. */
const text = () => Array.from({ length: 60 }, () => `Sentence ${randomUUID()} of a document.`).join(' ');

describe('crashes', function suite() {
  this.timeout(180_000);
  let service: Service;
  before(async () => {
    service = await startService();
  });
  after(() => service.stop());

  const pidOf = (name: string) => service.stack.processes.find((process) => process.name === name)?.pid;

  async function accept(count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const response = await service.upload(`${randomUUID()}.txt`, text());
      assert.equal(response.status, 202);
      ids.push(((await response.json()) as ShownDocument).id);
    }
    return ids;
  }

  for (const victim of ['worker', 'backend']) {
    it(`kill -9 of the ${victim} loses no accepted document`, async () => {
      const ids = await accept(12);
      const pid = pidOf(victim);
      assert.ok(pid);
      process.kill(pid, 'SIGKILL');
      await until(() => pidOf(victim) !== pid);
      for (const id of ids) assert.equal((await service.settled(id)).status, 'completed');
      const stats = (await (await service.call('/api/v1/stats')).json()) as { documents: Record<string, number> };
      assert.deepEqual(
        [stats.documents['queued'], stats.documents['processing'], stats.documents['failed']],
        [0, 0, 0],
      );
    });
  }
});

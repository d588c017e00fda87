import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Service, type ShownDocument, startService } from '../support/service.ts';

/** So many paragraphs that no parser has the memory for them. */
const poison = () => Buffer.alloc(48 * 1024 * 1024, 'a\n\n');

describe('a document that kills its parser, among a hundred good ones', function suite() {
  this.timeout(300_000);
  let service: Service;
  before(async () => {
    service = await startService({ MAX_ATTEMPTS: '2' });
  });
  after(() => service?.stop());

  const accept = async (name: string, content: string | Uint8Array) => {
    const response = await service.upload(name, content);
    assert.equal(response.status, 202);
    return ((await response.json()) as ShownDocument).id;
  };
  const workerPid = () => service.stack.processes.find(({ name }) => name === 'worker')?.pid;
  const deadLetters = async (query = '') => {
    const response = await service.call(`/api/v1/dead-letters${query}`);
    return ((await response.json()) as { items: ShownDocument[] }).items;
  };

  it('is given up with its reason, and the others do not wait for it', async () => {
    const worker = workerPid();
    const poisonous = await accept('poison.txt', poison());
    const good: string[] = [];
    for (let index = 0; index < 100; index += 1) good.push(await accept(`${index}.txt`, `${index} ${randomUUID()}`));
    for (const id of good) assert.equal((await service.settled(id)).status, 'completed');
    const done = await service.settled(poisonous);
    assert.deepEqual([done.status, done.error?.code, done.attempts], ['failed', 'TOO_LARGE_EXPANDED', 1]);
    const [letter, ...others] = await deadLetters();
    assert.deepEqual(others, []);
    const [first] = await Promise.all(good.slice(0, 1).map((id) => service.document(id)));
    assert.ok(letter && first && first.updatedAt < letter.updatedAt, 'nobody waited for its end');
    assert.deepEqual(
      [letter.id, letter.error?.code, letter.attempts, letter.traceId],
      [poisonous, 'TOO_LARGE_EXPANDED', 1, done.traceId],
    );
    assert.equal(workerPid(), worker, 'the worker itself went on');
  });

  it('is tried again when asked, by the code of its error', async () => {
    const requeue = async (code: string) => {
      const response = await service.call('/api/v1/dead-letters/requeue', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code }),
      });
      return (await response.json()) as { requeued: number; left: number };
    };
    const [letter] = await deadLetters('?code=TOO_LARGE_EXPANDED');
    assert.ok(letter);
    assert.deepEqual(await requeue('CORRUPT_FILE'), { requeued: 0, left: 0 });
    assert.deepEqual(await requeue('TOO_LARGE_EXPANDED'), { requeued: 1, left: 0 });
    assert.deepEqual(await deadLetters(), []);
    const deleted = await service.call(`/api/v1/documents/${letter.id}`, { method: 'DELETE' });
    assert.equal(deleted.status, 204);
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { sweepTurns, type TurnRequest, takeTurn } from '../../src/documents/turns.ts';
import { givenDocument, mustFind, policy } from '../support/documents.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';

describe('turns', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openTestDatabase({ dimensions: 4 });
  });
  afterEach(() => database.close());

  const given = (owner: string, collection = 'default') => givenDocument(database.pool, { owner, collection });
  const take = (request: Partial<TurnRequest> = {}) =>
    takeTurn(database.pool, { lane: 'fast', worker: 'a', ticket: randomUUID(), ...request }, policy);
  const complete = (id: string) => database.pool.query(`UPDATE documents SET status = 'completed' WHERE id = $1`, [id]);
  const served = async (count: number, request: Partial<TurnRequest> = {}) => {
    const owners: string[] = [];
    for (let taken = 0; taken < count; taken += 1) {
      const claimed = await take(request);
      owners.push(claimed ? `${claimed.owner}/${claimed.collection}` : 'nothing');
      if (claimed) await complete(claimed.documentId);
    }
    return owners;
  };

  it('are of the first that came where one key waits', async () => {
    const ids: string[] = [];
    for (let sent = 0; sent < 3; sent += 1) ids.push((await given('ann')).id);
    for (const id of ids) {
      const claimed = await take();
      assert.deepEqual([claimed?.documentId, claimed?.attempt], [id, 1]);
      assert.equal((await mustFind(database.pool, id)).status, 'processing');
    }
    assert.equal(await take(), undefined);
  });

  it('go around over keys, whoever sent first and most', async () => {
    for (let sent = 0; sent < 6; sent += 1) await given('ann');
    for (let sent = 0; sent < 2; sent += 1) await given('bob');
    await given('cleo');
    const order = await served(10);
    assert.deepEqual(new Set(order.slice(0, 3)), new Set(['ann/default', 'bob/default', 'cleo/default']));
    assert.deepEqual(new Set(order.slice(3, 5)), new Set(['ann/default', 'bob/default']));
    assert.deepEqual(order.slice(5), [...Array(4).fill('ann/default'), 'nothing']);
  });

  it('go around over the collections of a key, whose turn does not come more often for it', async () => {
    for (const collection of ['x', 'x', 'x', 'y']) await given('ann', collection);
    for (let sent = 0; sent < 2; sent += 1) await given('bob');
    const first = await take();
    assert.equal(first?.owner, 'ann');
    assert.deepEqual(await served(2), ['bob/default', 'bob/default']);
    const second = await take();
    assert.deepEqual(new Set([first?.collection, second?.collection]), new Set(['x', 'y']));
  });

  it('are of those with the least in the works', async () => {
    for (let sent = 0; sent < 4; sent += 1) await given('ann');
    for (let sent = 0; sent < 4; sent += 1) await given('bob');
    const owners = [];
    for (let taken = 0; taken < 6; taken += 1) owners.push((await take())?.owner);
    assert.deepEqual(owners.filter((owner) => owner === 'ann').length, 3);
  });

  it("of a job are of its own document, where it is its owner's turn", async () => {
    await given('ann');
    const second = await given('ann');
    assert.equal((await take({ documentId: second.id }))?.documentId, second.id);
    const bobs = await given('bob');
    const anns = await given('ann');
    assert.equal((await take({ documentId: anns.id }))?.documentId, bobs.id);
  });

  it('are answered the same to who asks again with the same ticket, for as long as it lasts', async () => {
    await given('ann');
    await given('ann');
    const first = await take({ ticket: 't' });
    assert.deepEqual(await take({ ticket: 't' }), first);
    assert.notEqual((await take({ ticket: 't', worker: 'b' }))?.documentId, first?.documentId);
  });

  it('leave out whoever is to be left out', async () => {
    await given('ann', 'x');
    await given('ann', 'y');
    await given('bob');
    assert.equal((await take({ exceptOwners: ['ann'] }))?.owner, 'bob');
    assert.equal(await take({ exceptOwners: ['ann', 'bob'] }), undefined);
    assert.equal((await take({ exceptShares: [{ owner: 'ann', collection: 'x' }] }))?.collection, 'y');
  });

  it('leave out what the worker is at already, even where it was taken for lost', async () => {
    const first = await given('ann');
    assert.equal(await take({ documentId: first.id, holding: [first.id] }), undefined);
    const second = await given('ann');
    assert.equal((await take({ documentId: first.id, holding: [first.id] }))?.documentId, second.id);
  });

  it('are of the lane that is asked for, and of what is due', async () => {
    const { id } = await given('ann');
    assert.equal(await take({ lane: 'heavy' }), undefined);
    await database.pool.query(`UPDATE documents SET not_before = now() + interval '1 minute' WHERE id = $1`, [id]);
    assert.equal(await take(), undefined);
  });

  it('are forgotten a day later', async () => {
    await given('ann');
    await served(1);
    assert.equal(await sweepTurns(database.pool), 0);
    await database.pool.query(`UPDATE turns SET served_at = now() - interval '25 hours'`);
    assert.equal(await sweepTurns(database.pool), 1);
  });

  it('go to each of many that ask at once', async () => {
    for (let sent = 0; sent < 20; sent += 1) await given(`key ${sent % 3}`);
    const claimed = await Promise.all(Array.from({ length: 20 }, (_, index) => take({ worker: `w${index}` })));
    assert.equal(new Set(claimed.map((one) => one?.documentId)).size, 20);
  });
});

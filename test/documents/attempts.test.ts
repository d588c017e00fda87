import assert from 'node:assert/strict';
import {
  claimAttempt,
  failAttempt,
  reapExpired,
  recordProgress,
  releaseAttempt,
} from '../../src/documents/attempts.ts';
import { deleteDocument, requeueDocuments } from '../../src/documents/store.ts';
import type { DomainError } from '../../src/platform/errors.ts';
import { transaction } from '../../src/platform/postgres.ts';
import { givenDocument, mustFind, policy } from '../support/documents.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';

const failure = { code: 'CORRUPT_FILE', message: 'broken', retryable: false, surroundings: false } as const;
const withCode = (code: string) => (error: DomainError) => error.code === code;

describe('attempts', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase({ dimensions: 4 });
  });
  after(() => database.close());

  const given = () => givenDocument(database.pool);
  const claim = (id: string, attempt = 1, worker = 'a') => claimAttempt(database.pool, id, { attempt, worker }, policy);

  it('counts an attempt when it is claimed', async () => {
    const { id, name } = await given();
    const claimed = await claim(id);
    assert.equal(claimed.name, name);
    const row = await mustFind(database.pool, id);
    assert.deepEqual([row.status, row.attempts, row.last_attempt], ['processing', 1, 1]);
  });

  it('gives the same worker the same answer again, and no other worker any', async () => {
    const { id } = await given();
    const first = await claim(id, 1, 'a');
    assert.deepEqual(await claim(id, 1, 'a'), first);
    await assert.rejects(claim(id, 1, 'b'), withCode('CONFLICT'));
    assert.equal((await mustFind(database.pool, id)).attempts, 1);
  });

  it('refuses a job that is late or early', async () => {
    const { id } = await given();
    await assert.rejects(claim(id, 2), withCode('CONFLICT'));
    await claim(id, 1);
    await releaseAttempt(database.pool, { documentId: id, attempt: 1 });
    await assert.rejects(claim(id, 1), withCode('CONFLICT'));
    await claim(id, 2);
  });

  it('says when the document is gone', async () => {
    const { id } = await given();
    await claim(id);
    assert.equal(await deleteDocument(database.pool, id), true);
    await assert.rejects(claim(id, 1), withCode('NOT_FOUND'));
    await assert.rejects(
      recordProgress(database.pool, { documentId: id, attempt: 1 }, { stage: 'parse', percent: 0 }, policy),
      withCode('NOT_FOUND'),
    );
  });

  it('fails a document for good where another attempt would fail too', async () => {
    const { id } = await given();
    await claim(id);
    await failAttempt(database.pool, { documentId: id, attempt: 1 }, failure, policy);
    const row = await mustFind(database.pool, id);
    assert.deepEqual([row.status, row.error_code, row.error_message], ['failed', 'CORRUPT_FILE', 'broken']);
  });

  it('tries again after a while, until the attempts are used up', async () => {
    const { id } = await given();
    const again = { ...failure, code: 'PARSE_TIMEOUT', retryable: true } as const;
    await claim(id, 1);
    const after = await failAttempt(database.pool, { documentId: id, attempt: 1 }, again, policy);
    assert.equal(after.status, 'queued');
    assert.ok(after.not_before.getTime() > Date.now());
    await claim(id, 2);
    assert.equal((await failAttempt(database.pool, { documentId: id, attempt: 2 }, again, policy)).status, 'failed');
  });

  it('does not count failures of the surroundings, for as long as its patience lasts', async () => {
    const { id } = await given();
    const away = { code: 'EMBEDDING_FAILED', message: 'away', retryable: true, surroundings: true } as const;
    for (const attempt of [1, 2, 3, 4]) {
      await claim(id, attempt);
      const after = await failAttempt(database.pool, { documentId: id, attempt }, away, policy);
      assert.equal(after.status, 'queued');
    }
    assert.equal((await mustFind(database.pool, id)).attempts, 0);
    await claim(id, 5);
    const impatient = { ...policy, patienceMs: 0, maxAttempts: 1 };
    const last = await failAttempt(database.pool, { documentId: id, attempt: 5 }, away, impatient);
    assert.equal(last.status, 'failed');
  });

  it('takes back what a worker hands over, uncounted', async () => {
    const { id } = await given();
    await claim(id);
    const after = await releaseAttempt(database.pool, { documentId: id, attempt: 1 });
    assert.equal(after.status, 'queued');
    assert.equal((await mustFind(database.pool, id)).attempts, 0);
  });

  it('ends attempts that have gone silent, and gives up after the last', async () => {
    const { id } = await given();
    const reap = () => transaction(database.pool, (client) => reapExpired(client, policy));
    const expire = () =>
      database.pool.query(`UPDATE documents SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
    await claim(id, 1);
    assert.deepEqual(await reap(), []);
    await expire();
    assert.deepEqual(
      (await reap()).map((row) => [row.id, row.status]),
      [[id, 'queued']],
    );
    await assert.rejects(
      recordProgress(database.pool, { documentId: id, attempt: 1 }, { stage: 'parse', percent: 1 }, policy),
      withCode('CONFLICT'),
    );
    await claim(id, 2);
    await expire();
    assert.equal((await reap())[0]?.status, 'failed');
    const row = await mustFind(database.pool, id);
    assert.deepEqual([row.error_code, row.attempts], ['WORKER_CRASHED', 2]);
  });

  it('starts a new run when asked, with all its attempts', async () => {
    const { id } = await given();
    await claim(id);
    await failAttempt(database.pool, { documentId: id, attempt: 1 }, failure, policy);
    const [row] = await requeueDocuments(database.pool, { id });
    assert.deepEqual([row?.status, row?.attempts, row?.error_code], ['queued', 0, null]);
    assert.equal((await claim(id, 2)).attempt, 2);
    assert.deepEqual(await requeueDocuments(database.pool, { id }), []);
  });

  it('goes on undisturbed when the document is to be processed again meanwhile', async () => {
    const { id } = await given();
    await claim(id);
    const before = await mustFind(database.pool, id);
    assert.deepEqual(await requeueDocuments(database.pool, { id }), []);
    assert.deepEqual(await mustFind(database.pool, id), before);
    await recordProgress(database.pool, { documentId: id, attempt: 1 }, { stage: 'embed', percent: 50 }, policy);
  });
});

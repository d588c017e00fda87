import assert from 'node:assert/strict';
import { endLostAttempts, failAttempt, releaseAttempt } from '../../src/documents/attempt-ends.ts';
import { IS_DUE, LONGEST_BACKOFF_MS, recordProgress } from '../../src/documents/attempts.ts';
import { readOpenAttempts } from '../../src/documents/silence.ts';
import { deleteDocument, requeueDocument } from '../../src/documents/store.ts';
import type { DomainError } from '../../src/platform/errors.ts';
import { claim as claimTurn, givenDocument, mustFind, policy } from '../support/documents.ts';
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
  /** However long it would have to wait. */
  const claim = async (id: string, attempt = 1, worker = 'a') => {
    await database.pool.query('UPDATE documents SET not_before = now() WHERE id = $1', [id]);
    return claimTurn(database.pool, id, attempt, worker);
  };

  const isDue = async (id: string) =>
    (await database.pool.query(`SELECT ${IS_DUE} AS due FROM documents WHERE id = $1`, [id])).rows[0].due;

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
    await assert.rejects(claim(id, 1, 'b'));
    assert.equal((await mustFind(database.pool, id)).attempts, 1);
  });

  it('says when the document is gone', async () => {
    const { id } = await given();
    await claim(id);
    assert.equal(await deleteDocument(database.pool, id), true);
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
    assert.deepEqual([after.status, after.is_due], ['queued', false]);
    assert.equal(await isDue(id), false);
    await claim(id, 2);
    assert.equal((await failAttempt(database.pool, { documentId: id, attempt: 2 }, again, policy)).status, 'failed');
  });

  it('does not count failures of the surroundings, however often', async () => {
    const { id } = await given();
    const away = { code: 'EMBEDDING_FAILED', message: 'away', retryable: true, surroundings: true } as const;
    for (const attempt of [1, 2, 3, 4]) {
      await claim(id, attempt);
      const after = await failAttempt(database.pool, { documentId: id, attempt }, away, policy);
      assert.deepEqual([after.status, after.counted], ['queued', false]);
    }
    assert.equal((await mustFind(database.pool, id)).attempts, 0);
  });

  it('counts them after many: no provider takes the document', async () => {
    const { id } = await given();
    const away = { code: 'EMBEDDING_FAILED', message: 'away', retryable: true, surroundings: true } as const;
    let after = { status: 'queued' };
    let attempt = 0;
    while (after.status === 'queued' && attempt < 100) {
      attempt += 1;
      await claim(id, attempt);
      after = await failAttempt(database.pool, { documentId: id, attempt }, away, policy);
    }
    assert.deepEqual([after.status, attempt], ['failed', 51]);
    assert.equal((await mustFind(database.pool, id)).error_code, 'EMBEDDING_FAILED');
  });

  it('waits no longer than the longest backoff, whatever a provider asks for or a clock has said', async () => {
    const { id } = await given();
    const away = { code: 'EMBEDDING_FAILED', message: 'away', retryable: true, surroundings: true } as const;
    await claim(id);
    await failAttempt(database.pool, { documentId: id, attempt: 1 }, { ...away, retryAfterMs: 86_400_000 }, policy);
    const { rows } = await database.pool.query(
      `SELECT extract(epoch FROM not_before - now()) * 1000 AS ms FROM documents WHERE id = $1`,
      [id],
    );
    assert.ok(rows[0].ms <= LONGEST_BACKOFF_MS);
    assert.equal(await isDue(id), false);
    await database.pool.query(`UPDATE documents SET not_before = now() + interval '1 hour' WHERE id = $1`, [id]);
    assert.equal(await isDue(id), true);
  });

  it('takes back what a worker hands over, uncounted', async () => {
    const { id } = await given();
    await claim(id);
    const after = await releaseAttempt(database.pool, { documentId: id, attempt: 1 }, policy);
    assert.equal(after.status, 'queued');
    assert.equal((await mustFind(database.pool, id)).attempts, 0);
  });

  describe('whose worker was not heard of for a lease', () => {
    const lose = async (id: string) => {
      const open = await readOpenAttempts(database.pool);
      const [after] = await endLostAttempts(
        database.pool,
        open.filter(({ documentId }) => documentId === id),
        policy,
      );
      return after;
    };
    const progress = (id: string, attempt: number, percent = 50) =>
      recordProgress(database.pool, { documentId: id, attempt }, { stage: 'embed', percent }, policy);
    const attemptsOf = async (id: string) => (await mustFind(database.pool, id)).attempts;

    it('end, and the document is given up after the last', async () => {
      const { id } = await given();
      await claim(id, 1);
      assert.equal((await lose(id))?.status, 'queued');
      await claim(id, 2);
      assert.equal((await lose(id))?.status, 'failed');
      const row = await mustFind(database.pool, id);
      assert.deepEqual([row.error_code, row.attempts], ['WORKER_CRASHED', 2]);
    });

    it('do not end where it gave a sign of life meanwhile', async () => {
      const { id } = await given();
      await claim(id);
      const open = (await readOpenAttempts(database.pool)).filter(({ documentId }) => documentId === id);
      await progress(id, 1);
      assert.deepEqual(await endLostAttempts(database.pool, open, policy), []);
    });

    it('go on when it is heard again, where nobody else has the document, at no cost', async () => {
      const { id } = await given();
      await claim(id);
      for (let pause = 0; pause < 4; pause += 1) {
        assert.equal((await lose(id))?.status, 'queued', `pause ${pause}`);
        await progress(id, 1);
        const row = await mustFind(database.pool, id);
        assert.deepEqual([row.status, row.attempts, row.stage], ['processing', 1, 'embed']);
      }
    });

    it('go on even after they were the last that the document had', async () => {
      const { id } = await given();
      await claim(id, 1);
      await lose(id);
      await claim(id, 2);
      assert.equal((await lose(id))?.status, 'failed');
      await progress(id, 2);
      const row = await mustFind(database.pool, id);
      assert.deepEqual([row.status, row.error_code, row.completed_at], ['processing', null, null]);
    });

    it('are not counted when it is heard again, where somebody else has the document', async () => {
      const { id } = await given();
      await claim(id, 1, 'a');
      await lose(id);
      await claim(id, 2, 'b');
      assert.equal(await attemptsOf(id), 2);
      for (let said = 0; said < 2; said += 1) {
        await assert.rejects(progress(id, 1), withCode('CONFLICT'));
        assert.equal(await attemptsOf(id), 1);
      }
    });

    const loseAt = async (id: string, attempt: number, percent: number) => {
      await claim(id, attempt);
      await progress(id, attempt, percent);
      return (await lose(id))?.status;
    };

    it('count where they follow each other at one place, and not those before elsewhere', async () => {
      const { id } = await given();
      for (const [attempt, percent] of [5, 40, 80, 41, 6].entries()) {
        assert.equal(await loseAt(id, attempt + 1, percent), 'queued', `at ${percent} %`);
        assert.equal(await attemptsOf(id), 1);
      }
      assert.equal(await loseAt(id, 6, 7), 'failed');
      assert.equal(await attemptsOf(id), 2);
    });

    it('count wherever they happen, once there were too many', async () => {
      const { id } = await given();
      for (let attempt = 1; attempt <= 10; attempt += 1)
        assert.equal(await loseAt(id, attempt, attempt * 9), 'queued', `loss ${attempt}`);
      assert.equal(await loseAt(id, 11, 5), 'failed');
    });
  });

  it('never runs backwards', async () => {
    const { id } = await given();
    await claim(id);
    const told: [string | null, number][] = [];
    for (const [stage, percent] of [
      ['parse', 0],
      ['embed', 60],
      ['embed', 20],
      ['store', 0],
      ['embed', 100],
    ] as const) {
      await recordProgress(database.pool, { documentId: id, attempt: 1 }, { stage, percent }, policy);
      const row = await mustFind(database.pool, id);
      told.push([row.stage, row.percent]);
    }
    assert.deepEqual(told, [['parse', 2], ['embed', 57], ['embed', 57], ['store', 90], ['store', 90]]); // biome-ignore format: one thought
  });

  it('starts a new run when asked, with all its attempts', async () => {
    const { id } = await given();
    await claim(id);
    await failAttempt(database.pool, { documentId: id, attempt: 1 }, failure, policy);
    const row = await requeueDocument(database.pool, id);
    assert.deepEqual([row?.status, row?.attempts, row?.error_code], ['queued', 0, null]);
    assert.equal((await claim(id, 2)).attempt, 2);
    assert.equal(await requeueDocument(database.pool, id), undefined);
  });

  it('goes on undisturbed when the document is to be processed again meanwhile', async () => {
    const { id } = await given();
    await claim(id);
    const before = await mustFind(database.pool, id);
    assert.equal(await requeueDocument(database.pool, id), undefined);
    assert.deepEqual(await mustFind(database.pool, id), before);
    await recordProgress(database.pool, { documentId: id, attempt: 1 }, { stage: 'embed', percent: 50 }, policy);
  });
});

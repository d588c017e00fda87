import assert from 'node:assert/strict';
import { parseRetryAfter, withBackoff } from '../../src/embeddings/backoff.ts';
import { EmbeddingError } from '../../src/embeddings/embedder.ts';

describe('withBackoff', () => {
  const failing = (times: number, error: () => Error) => {
    const calls = { made: 0 };
    const call = async () => {
      calls.made++;
      if (calls.made <= times) throw error();
      return 'done';
    };
    return { calls, call };
  };
  const away = () => new EmbeddingError('away', { retryable: true });

  it('calls again until it succeeds', async () => {
    const { calls, call } = failing(2, away);
    assert.equal(await withBackoff(call, { maxAttempts: 3, maxWaitMs: 1_000, baseMs: 1 }), 'done');
    assert.equal(calls.made, 3);
  });

  it('gives up after its attempts', async () => {
    const { calls, call } = failing(9, away);
    await assert.rejects(withBackoff(call, { maxAttempts: 3, maxWaitMs: 1_000, baseMs: 1 }), /away/);
    assert.equal(calls.made, 3);
  });

  it('does not repeat what would fail again', async () => {
    for (const error of [() => new EmbeddingError('refused', { retryable: false }), () => new TypeError('a bug')]) {
      const { calls, call } = failing(9, error);
      await assert.rejects(withBackoff(call, { maxAttempts: 3, maxWaitMs: 1_000, baseMs: 1 }));
      assert.equal(calls.made, 1);
    }
  });

  it('leaves a wait that is too long to its caller', async () => {
    const { calls, call } = failing(1, () => new EmbeddingError('busy', { retryable: true, retryAfterMs: 60_000 }));
    await assert.rejects(withBackoff(call, { maxAttempts: 3, maxWaitMs: 1_000 }), { retryAfterMs: 60_000 });
    assert.equal(calls.made, 1);
  });

  it('stops waiting when told to', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const call = async () => {
      // Heard while it waits for the hour that follows.
      setImmediate(() => controller.abort(reason));
      throw new EmbeddingError('busy', { retryable: true, retryAfterMs: 3_600_000 });
    };
    const waiting = withBackoff(call, { maxAttempts: 2, maxWaitMs: 4_000_000, signal: controller.signal });
    await assert.rejects(waiting, reason);
  });
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');

  it('reads seconds and dates', () => {
    assert.equal(parseRetryAfter('7', now), 7_000);
    assert.equal(parseRetryAfter(' 0.5 ', now), 500);
    assert.equal(parseRetryAfter('Sun, 01 Mar 2026 12:00:20 GMT', now), 20_000);
    assert.equal(parseRetryAfter('Sun, 01 Mar 2026 11:00:00 GMT', now), 0);
  });

  it('takes anything else for nothing', () => {
    for (const header of [null, '', 'soon']) assert.equal(parseRetryAfter(header, now), undefined);
  });
});

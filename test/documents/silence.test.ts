import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createSilenceJudge, type OpenAttempt } from '../../src/documents/silence.ts';

describe('the judge of silent workers', () => {
  let clock: number;
  let judge: ReturnType<typeof createSilenceJudge>;
  beforeEach(() => {
    clock = 1_000;
    judge = createSilenceJudge({ leaseMs: 15_000, periodMs: 2_000, now: () => clock });
  });

  const attempt = (lease = 'first'): OpenAttempt => ({ documentId: randomUUID(), attempt: 1, lease });
  /** Looks every two seconds, for so long. */
  const listen = (seconds: number, open: () => readonly OpenAttempt[]) => {
    let lost: OpenAttempt[] = [];
    for (let passed = 0; passed < seconds; passed += 2) {
      clock += 2_000;
      lost = judge(open());
    }
    return lost;
  };

  it('gives every attempt a whole lease after it began to listen', () => {
    const open = [attempt()];
    assert.deepEqual(judge(open), []);
    assert.deepEqual(listen(14, () => open), []); // biome-ignore format: one thought
    assert.deepEqual(listen(2, () => open), open); // biome-ignore format: one thought
  });

  it('does not count a time in which it could not listen', () => {
    const open = [attempt()];
    judge(open);
    for (let freeze = 0; freeze < 3; freeze += 1) {
      clock += 3_600_000;
      assert.deepEqual(judge(open), []);
    }
  });

  it('begins anew with each sign of life', () => {
    const { documentId } = attempt();
    let renewals = 0;
    const renewed = () => [{ documentId, attempt: 1, lease: String(Math.floor(renewals++ / 7)) }];
    assert.deepEqual(listen(600, renewed), []);
  });

  it('judges each attempt by itself', () => {
    const [silent, young] = [attempt(), attempt()];
    judge([silent]);
    assert.deepEqual(listen(12, () => [silent]), []); // biome-ignore format: one thought
    assert.deepEqual(listen(4, () => [silent, young]), [silent]); // biome-ignore format: one thought
  });
});

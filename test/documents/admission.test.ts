import assert from 'node:assert/strict';
import { type AdmissionOptions, createAdmission } from '../../src/documents/admission.ts';

const nothing = { queued: 0, processing: 0, delayed: 0, oldestSeconds: 0, owners: new Map() };
/** A lane in which so many of each key wait. */
const waiting = (owners: Record<string, number>, oldestSeconds = 0) => ({
  ...nothing,
  queued: Object.values(owners).reduce((sum, count) => sum + count, 0),
  oldestSeconds,
  owners: new Map(Object.entries(owners).map(([owner, count]) => [owner, { waiting: count, oldestSeconds }])),
});
const QUEUE_FULL = { code: 'QUEUE_FULL' };

describe('admission', () => {
  let state: ReturnType<AdmissionOptions['current']>;
  const open = (options: Partial<AdmissionOptions> = {}) =>
    createAdmission({ current: () => state, maxDepth: 3, maxAgeMs: 60_000, maxHeldBytes: 100, ...options });
  beforeEach(() => {
    state = { fast: nothing, heavy: nothing };
  });

  it('takes what is held in memory as it comes, and gives it back', () => {
    const admission = open();
    const first = admission.hold('a');
    const second = admission.hold('a');
    first.add(60);
    second.add(40);
    assert.throws(() => second.add(1), { ...QUEUE_FULL, refusal: 'json_bytes' });
    first.release();
    first.release();
    second.add(60);
    assert.throws(() => second.add(1), QUEUE_FULL);
  });

  it('keeps no key out by what another holds', () => {
    const admission = open();
    admission.hold('greedy').add(100);
    admission.hold('other').add(10);
    assert.throws(() => admission.hold('greedy').add(1), QUEUE_FULL);
  });

  it('refuses documents of a key that has filled a lane, says so, and takes those for the other lane', () => {
    const admission = open();
    state = { fast: nothing, heavy: { ...waiting({ ann: 2 }), delayed: 1 } };
    admission.assertSomeRoom('ann');
    admission.assertRoom('fast', 'ann');
    assert.throws(() => admission.assertRoom('heavy', 'ann'), {
      ...QUEUE_FULL,
      refusal: 'work_of_key',
      retryAfter: 30,
      message: /Your key has 2 documents waiting/,
    });
  });

  it('takes a few of a key though others have filled the lane, up to a bound', () => {
    const admission = open({ maxDepth: 20 });
    state = { fast: waiting({ ann: 20 }), heavy: nothing };
    admission.assertRoom('fast', 'bob');
    admission.accepted('fast', 'bob');
    admission.assertRoom('fast', 'bob');
    admission.accepted('fast', 'bob');
    assert.throws(() => admission.assertRoom('fast', 'bob'), { ...QUEUE_FULL, refusal: 'work_of_key' });
    state = {
      fast: waiting({ ann: 20, ...Object.fromEntries([...'abcdefghij'].map((key) => [key, 1])) }),
      heavy: nothing,
    };
    assert.throws(() => admission.assertRoom('fast', 'bob'), { ...QUEUE_FULL, refusal: 'queue_full' });
  });

  it('refuses an upload before a byte of it where no lane has room', () => {
    const admission = open();
    state = { fast: waiting({ ann: 3 }), heavy: waiting({ ann: 3 }) };
    assert.throws(() => admission.assertSomeRoom('ann'), QUEUE_FULL);
    admission.assertSomeRoom('bob');
  });

  it('refuses documents of a key whose first has waited for too long', () => {
    const admission = open();
    state = { fast: waiting({ ann: 1 }, 61), heavy: nothing };
    assert.throws(() => admission.assertRoom('fast', 'ann'), QUEUE_FULL);
    admission.assertRoom('fast', 'bob');
    admission.assertRoom('heavy', 'ann');
  });

  it('counts what came since the queues were read', () => {
    const admission = open();
    for (let accepted = 0; accepted < 3; accepted += 1) {
      admission.assertRoom('fast', 'ann');
      admission.accepted('fast', 'ann');
    }
    assert.throws(() => admission.assertRoom('fast', 'ann'), QUEUE_FULL);
    state = { fast: waiting({ ann: 1 }), heavy: nothing };
    admission.assertRoom('fast', 'ann');
  });
});

import assert from 'node:assert/strict';
import { type AdmissionOptions, createAdmission } from '../../src/documents/admission.ts';

const nothing = { queued: 0, processing: 0, delayed: 0, oldestSeconds: 0 };
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

  it('refuses documents of a lane that is full, and takes the others', () => {
    const admission = open();
    state = { fast: nothing, heavy: { ...nothing, queued: 2, delayed: 1 } };
    admission.assertSomeRoom();
    admission.assertRoom('fast');
    assert.throws(() => admission.assertRoom('heavy'), { ...QUEUE_FULL, retryAfter: 30 });
  });

  it('refuses an upload before a byte of it where no lane has room', () => {
    const admission = open();
    state = { fast: { ...nothing, queued: 3 }, heavy: { ...nothing, queued: 3 } };
    assert.throws(() => admission.assertSomeRoom(), QUEUE_FULL);
  });

  it('refuses documents where the first has waited for too long', () => {
    const admission = open();
    state = { fast: { ...nothing, queued: 1, oldestSeconds: 61 }, heavy: nothing };
    assert.throws(() => admission.assertRoom('fast'), QUEUE_FULL);
    admission.assertRoom('heavy');
  });

  it('counts what came since the queues were read', () => {
    const admission = open();
    for (let accepted = 0; accepted < 3; accepted += 1) {
      admission.assertRoom('fast');
      admission.accepted('fast');
    }
    assert.throws(() => admission.assertRoom('fast'), QUEUE_FULL);
    state = { fast: { ...nothing, queued: 1 }, heavy: nothing };
    admission.assertRoom('fast');
  });
});

import assert from 'node:assert/strict';
import { type AdmissionOptions, createAdmission } from '../../src/documents/admission.ts';

const nothing = { queued: 0, processing: 0, delayed: 0, oldestSeconds: 0 };
const QUEUE_FULL = { code: 'QUEUE_FULL' };

describe('admission', () => {
  let state: ReturnType<AdmissionOptions['current']>;
  const open = (options: Partial<AdmissionOptions> = {}) =>
    createAdmission({ current: () => state, maxDepth: 3, maxAgeMs: 60_000, maxUploads: 2, maxWeight: 100, ...options });
  beforeEach(() => {
    state = { fast: nothing, heavy: nothing };
  });

  it('takes so many uploads at a time', () => {
    const admission = open();
    const leave = admission.enter();
    admission.enter();
    assert.throws(() => admission.enter(), QUEUE_FULL);
    leave();
    admission.enter();
  });

  it('takes what is held in memory by its weight, however heavy where it is alone', () => {
    const admission = open({ maxUploads: 10 });
    const leave = admission.enter({ weight: 1_000 });
    assert.throws(() => admission.enter({ weight: 1 }), QUEUE_FULL);
    admission.enter();
    leave();
    admission.enter({ weight: 60 });
    admission.enter({ weight: 40 });
    assert.throws(() => admission.enter({ weight: 1 }), QUEUE_FULL);
  });

  it('refuses documents of a lane that is full, and takes the others', () => {
    const admission = open();
    state = { fast: nothing, heavy: { ...nothing, queued: 2, delayed: 1 } };
    admission.enter();
    admission.assertRoom('fast');
    assert.throws(() => admission.assertRoom('heavy'), { ...QUEUE_FULL, retryAfter: 30 });
  });

  it('refuses an upload before a byte of it where no lane has room', () => {
    const admission = open();
    state = { fast: { ...nothing, queued: 3 }, heavy: { ...nothing, queued: 3 } };
    assert.throws(() => admission.enter(), QUEUE_FULL);
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

import assert from 'node:assert/strict';
import { type ProgressWatch, watchProgress } from '../../src/ai-worker/progress-watch.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';

describe('the watch over a worker’s progress', () => {
  let telemetry: RecordedTelemetry;
  let watch: ProgressWatch;
  let jobs: { waiting: () => Promise<number>; active: number };
  let givenUp: number;
  beforeEach(() => {
    telemetry = recordTelemetry();
    jobs = { waiting: async () => 0, active: 0 };
    givenUp = 0;
    watch = watchProgress({
      lane: 'fast',
      idleLimitMs: 200,
      busyLimitMs: 1_000,
      checkMs: 10,
      giveUpMs: 300,
      waiting: () => jobs.waiting(),
      active: () => jobs.active,
      onGiveUp: () => {
        givenUp += 1;
      },
    });
  });
  afterEach(async () => {
    watch.stop();
    await telemetry.stop();
  });

  const stalled = async () => (await telemetry.points('worker_stalled'))[0]?.value;
  /** As long as the longest limit takes, what comes after it, and some checks. */
  const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1_600));

  /** Blocks the thread, as SIGSTOP does. */
  const freeze = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_600);

  it('finds nothing wrong with one that has nothing to do', async () => {
    await aWhile();
    assert.equal(watch.isStalled, false);
    assert.equal(await stalled(), 0);
    assert.equal(givenUp, 0);
  });

  it('tells one that takes no job while some wait, until it takes one', async () => {
    jobs.waiting = async () => 3;
    await until(() => watch.isStalled);
    assert.equal(await stalled(), 1);
    watch.note();
    assert.equal(watch.isStalled, false);
  });

  it('tells one whose job does not get on', async () => {
    jobs.active = 1;
    await until(() => watch.isStalled);
  });

  it('gives one up that stays stalled, once', async () => {
    jobs.waiting = async () => 3;
    await until(() => watch.isStalled);
    assert.equal(givenUp, 0);
    await until(() => givenUp > 0);
    await aWhile();
    assert.equal(givenUp, 1);
  });

  it('does not blame one that was frozen itself', async () => {
    jobs.active = 1;
    freeze();
    let checks = 0;
    jobs.waiting = async () => {
      checks += 1;
      return 3;
    };
    await until(() => checks >= 2);
    assert.equal(watch.isStalled, false);
    assert.equal(givenUp, 0);
  });

  it('does not blame one that was frozen while it asked for what waits', async () => {
    jobs.active = 1;
    let checks = 0;
    jobs.waiting = async () => {
      checks += 1;
      if (checks === 3) freeze();
      return 0;
    };
    await until(() => checks >= 5);
    assert.equal(givenUp, 0);
  });

  it('lets one work for long that gets on', async () => {
    jobs.active = 1;
    const working = setInterval(() => watch.note(), 20);
    await aWhile();
    assert.equal(watch.isStalled, false);
    assert.equal(givenUp, 0);
    clearInterval(working);
  });

  it('does not blame a worker for a Redis that is away', async () => {
    jobs.waiting = () => Promise.reject(new Error('away'));
    await aWhile();
    assert.equal(watch.isStalled, false);
  });
});

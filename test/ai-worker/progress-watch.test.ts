import assert from 'node:assert/strict';
import { type ProgressWatch, watchProgress } from '../../src/ai-worker/progress-watch.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';

describe('the watch over a worker’s progress', () => {
  let telemetry: RecordedTelemetry;
  let watch: ProgressWatch;
  let jobs: { waiting: () => Promise<number>; active: number };
  beforeEach(() => {
    telemetry = recordTelemetry();
    jobs = { waiting: async () => 0, active: 0 };
    const limits = { idleLimitMs: 200, busyLimitMs: 1_000, checkMs: 10 };
    watch = watchProgress({ ...limits, waiting: () => jobs.waiting(), active: () => jobs.active });
  });
  afterEach(async () => {
    watch.stop();
    await telemetry.stop();
  });

  const stalled = async () => (await telemetry.points('worker_stalled'))[0]?.value;
  /** As long as the longest limit takes, and some checks. */
  const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1_300));

  it('finds nothing wrong with one that has nothing to do', async () => {
    await aWhile();
    assert.equal(watch.isStalled, false);
    assert.equal(await stalled(), 0);
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

  it('lets one work for long that gets on', async () => {
    jobs.active = 1;
    const working = setInterval(() => watch.note(), 20);
    await aWhile();
    assert.equal(watch.isStalled, false);
    clearInterval(working);
  });

  it('does not blame a worker for a Redis that is away', async () => {
    jobs.waiting = () => Promise.reject(new Error('away'));
    await aWhile();
    assert.equal(watch.isStalled, false);
  });
});

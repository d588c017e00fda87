import { metrics } from '@opentelemetry/api';
import type { Lane } from '../documents/formats.ts';

export interface ProgressWatchOptions {
  /** Label of the series. Each lane has a watch of its own: a busy one would hide that another stands still. */
  lane: Lane;
  /** Jobs that wait for a worker. */
  waiting: () => Promise<number>;
  /** Jobs in the works here. */
  active: () => number;
  /** While jobs wait and none is in the works: something must happen within this time. */
  idleLimitMs: number;
  /** While jobs are in the works. Longer than the longest step that a healthy one may take. */
  busyLimitMs: number;
  checkMs: number;
  /** How long it may be stalled before `onGiveUp` is called, once. */
  giveUpMs: number;
  onGiveUp: () => void;
}

/** Tells a lane that is stuck from one that has nothing to do. */
export interface ProgressWatch {
  /** Something went on: a job was taken, changed its stage, or ended. */
  note(): void;
  /** Jobs wait or are in the works, and nothing has gone on for too long. */
  readonly isStalled: boolean;
  stop(): void;
}

/** Starts to watch, and the series `worker_stalled` and `worker_idle_seconds`. */
export function watchProgress(options: ProgressWatchOptions): ProgressWatch {
  let last = performance.now();
  let limitMs = options.busyLimitMs;
  const isStalled = () => performance.now() - last > limitMs;
  const meter = metrics.getMeter('ragbase.ai-worker');
  meter
    .createObservableGauge('worker_stalled', { description: '1 when jobs wait and none gets on' })
    .addCallback((result) => result.observe(isStalled() ? 1 : 0, { lane: options.lane }));
  meter
    .createObservableGauge('worker_idle_seconds', {
      description: 'Time since anything went on while there was work',
      unit: 's',
    })
    .addCallback((result) => result.observe((performance.now() - last) / 1000, { lane: options.lane }));

  let checkedAt = last;
  const timer = setInterval(async () => {
    const now = performance.now();
    // Frozen, or asleep with its machine: nothing could go on.
    const lostMs = now - checkedAt - options.checkMs;
    if (lostMs > options.checkMs) last = Math.min(now, last + lostMs);
    checkedAt = now;
    const active = options.active();
    limitMs = active > 0 ? options.busyLimitMs : options.idleLimitMs;
    // Where Redis does not answer, there is no work to be had.
    const waiting = await options.waiting().catch(() => 0);
    if (active === 0 && waiting === 0) last = performance.now();
    // As of before the answer: the process may have been frozen while it waited for it.
    if (now - last <= limitMs + options.giveUpMs) return;
    clearInterval(timer);
    options.onGiveUp();
  }, options.checkMs).unref();
  return {
    note: () => {
      last = performance.now();
    },
    get isStalled() {
      return isStalled();
    },
    stop: () => clearInterval(timer),
  };
}

import { metrics } from '@opentelemetry/api';

export interface ProgressWatchOptions {
  /** Jobs that wait for a worker. */
  waiting: () => Promise<number>;
  /** Jobs in the works here. */
  active: () => number;
  /** While jobs wait and none is in the works: something must happen within this time. */
  idleLimitMs: number;
  /** While jobs are in the works. Longer than the longest step that a healthy one may take. */
  busyLimitMs: number;
  checkMs: number;
}

/** Tells a worker that is stuck from one that has nothing to do. */
export interface ProgressWatch {
  /** Something went on: a job was taken, changed its stage, or ended. */
  note(): void;
  /** Jobs wait or are in the works, and nothing has gone on for too long. */
  readonly isStalled: boolean;
  stop(): void;
}

/** Starts to watch, and the series `worker_stalled` and `worker_idle_seconds`. */
export function watchProgress(options: ProgressWatchOptions): ProgressWatch {
  let last = Date.now();
  let limitMs = options.busyLimitMs;
  const isStalled = () => Date.now() - last > limitMs;
  const meter = metrics.getMeter('ragbase.ai-worker');
  meter
    .createObservableGauge('worker_stalled', { description: '1 when jobs wait and none gets on' })
    .addCallback((result) => result.observe(isStalled() ? 1 : 0));
  meter
    .createObservableGauge('worker_idle_seconds', {
      description: 'Time since anything went on while there was work',
      unit: 's',
    })
    .addCallback((result) => result.observe((Date.now() - last) / 1000));

  const timer = setInterval(async () => {
    const active = options.active();
    limitMs = active > 0 ? options.busyLimitMs : options.idleLimitMs;
    // Where Redis does not answer, there is no work to be had.
    const waiting = await options.waiting().catch(() => 0);
    if (active === 0 && waiting === 0) last = Date.now();
  }, options.checkMs).unref();
  return {
    note: () => {
      last = Date.now();
    },
    get isStalled() {
      return isStalled();
    },
    stop: () => clearInterval(timer),
  };
}

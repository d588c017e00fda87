import { Worker } from 'node:worker_threads';

/** Runs in a thread of its own, which a blocked event loop does not block. Looks are counted, not time: it stands still with a frozen process. */
const WATCH = `
  const { workerData } = require('node:worker_threads');
  const beats = new Int32Array(workerData.shared);
  let seen = -1;
  let silentLooks = 0;
  setInterval(() => {
    const now = Atomics.load(beats, 0);
    silentLooks = now === seen ? silentLooks + 1 : 0;
    seen = now;
    if (silentLooks > 10) process.kill(process.pid, 'SIGKILL');
  }, workerData.limitMs / 10);
`;

/**
 * Kills the process when its event loop has been blocked for `limitMs`: it can't answer a probe, nor end by
 * itself, but whoever supervises it can start it again.
 * @returns a function that ends the watch.
 */
export function startLoopWatchdog({ limitMs }: { limitMs: number }): () => Promise<number> {
  const shared = new SharedArrayBuffer(4);
  const beats = new Int32Array(shared);
  const timer = setInterval(() => Atomics.add(beats, 0, 1), limitMs / 20).unref();
  const thread = new Worker(WATCH, { eval: true, execArgv: [], workerData: { shared, limitMs } });
  thread.unref();
  return () => {
    clearInterval(timer);
    return thread.terminate();
  };
}

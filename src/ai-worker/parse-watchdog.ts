/**
 * A thread of the parser process that ends it, whatever its main thread is busy with: when it holds
 * more memory than it may (buffers don't count for V8's own limit), and when its parent is gone.
 */
import { workerData } from 'node:worker_threads';

const CHECK_EVERY_MS = 100;
const { parent, memoryMb } = workerData as { parent: number; memoryMb: number };

setInterval(() => {
  const isOrphan = process.ppid !== parent;
  if (isOrphan || process.memoryUsage.rss() > memoryMb * 1024 * 1024) process.kill(process.pid, 'SIGKILL');
}, CHECK_EVERY_MS);

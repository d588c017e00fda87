/**
 * The promise's outcome, or a rejection with `timeoutError()` if there is none after `ms`.
 * What the promise stands for goes on all the same, and its late outcome is dropped.
 */
export function withTimeout<T>(promise: PromiseLike<T>, ms: number, timeoutError: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    // Timers run before sockets are read: after the event loop was held up, an answer may be waiting to be read.
    timer = setTimeout(() => setImmediate(() => reject(timeoutError())), ms);
  });
  return Promise.race([promise, expiry]).finally(() => clearTimeout(timer));
}

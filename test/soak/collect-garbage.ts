/** Preloaded with `--expose-gc`: what a sample of the heap shows is in use, or has been garbage for no longer than this. */
const EVERY_MS = 1_000;

setInterval(() => globalThis.gc?.(), EVERY_MS).unref();

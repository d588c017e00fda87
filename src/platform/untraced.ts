import { context, ROOT_CONTEXT } from '@opentelemetry/api';

/** Runs `work` outside of every trace: what polls or runs on a timer would stay part of whatever request started it. */
export function untraced<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

import { setTimeout } from 'node:timers/promises';
import { EmbeddingError } from './embedder.ts';

export interface BackoffOptions {
  /** Calls, the first one included. */
  maxAttempts: number;
  /** What all waits together may take. A longer one is left to the caller, who is told of it by the error. */
  maxWaitMs: number;
  /** Longest wait after the first failure; it doubles with each. */
  baseMs?: number;
  signal?: AbortSignal | undefined;
}

/**
 * Calls until it succeeds, as long as the EmbeddingError it rejects with is retryable. Waits between calls for a
 * random part of an exponentially growing time, and no less than the error's `retryAfterMs`.
 * @throws what the last call rejected with, or the signal's reason.
 */
export async function withBackoff<T>(call: () => Promise<T>, options: BackoffOptions): Promise<T> {
  const { maxAttempts, baseMs = 500, signal } = options;
  let waitLeftMs = options.maxWaitMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof EmbeddingError) || !error.retryable || attempt >= maxAttempts) throw error;
      // All of the range, so that clients that failed together do not come back together.
      const waitMs = Math.max(error.retryAfterMs ?? 0, Math.random() * baseMs * 2 ** (attempt - 1));
      if (waitMs > waitLeftMs) throw error;
      waitLeftMs -= waitMs;
      await wait(waitMs, signal);
    }
  }
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, { signal: signal as AbortSignal }).catch(() => undefined);
  signal?.throwIfAborted();
}

/**
 * Milliseconds to wait by a `Retry-After` header: seconds, or a date. Undefined where there is none, or it is neither.
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function parseRetryAfter(header: string | null, now = Date.now()): number | undefined {
  const text = header?.trim();
  if (!text) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

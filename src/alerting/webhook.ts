import { setTimeout as delay } from 'node:timers/promises';
import { errorType } from '../platform/errors.ts';
import { untraced } from '../platform/untraced.ts';
import type { Occurrence } from './occurrence.ts';
import { webhookBody } from './webhook-body.ts';

/** What is sent, but for those whom `webhookBody` knows: `text` is what Slack's likes show. */
export interface AlertMessage extends Pick<Occurrence, 'message' | 'context' | 'timestamp'> {
  text: string;
  level: Occurrence['level'] | 'info';
  traceId: string | null;
}

export interface WebhookOptions {
  url: string;
  /** Longest wait for an answer, of each attempt (5000), in ms. */
  timeoutMs?: number;
  attempts?: number;
  /** Before the second attempt; twice as long before each further one (1000), in ms. */
  retryMs?: number;
  /** Gives up at once. */
  signal?: AbortSignal;
}

/** The webhook took no alert. `code` says why: `HTTP_404`, `REDIRECTED`, `ECONNREFUSED`, `TimeoutError`. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly code: string;
  /** Whether another attempt may succeed. */
  readonly retryable: boolean;

  constructor(code: string, { retryable, cause }: { retryable: boolean; cause?: unknown }) {
    super(`the webhook took no alert: ${code}`, { cause });
    this.code = code;
    this.retryable = retryable;
  }
}

/**
 * Posts a message as JSON, and tries again where that may help.
 * @throws WebhookError
 */
export async function postAlert(message: AlertMessage, options: WebhookOptions): Promise<void> {
  const { attempts = 3, retryMs = 1_000, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await untraced(() => post(message, options));
    } catch (error) {
      const failure = error as WebhookError;
      if (!failure.retryable || attempt >= attempts || signal?.aborted) throw failure;
    }
    await delay(retryMs * 2 ** (attempt - 1), undefined, { signal: signal ?? new AbortController().signal }).catch(
      () => undefined,
    );
  }
}

async function post(message: AlertMessage, { url, timeoutMs = 5_000, signal }: WebhookOptions): Promise<void> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(webhookBody(message, url)),
    // A redirect would take the alert to a host that nobody chose.
    redirect: 'manual',
    signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
  }).catch((thrown: Error) => {
    throw new WebhookError(errorType(thrown.cause ?? thrown), { retryable: true, cause: thrown });
  });
  await response.body?.cancel();
  const { status } = response;
  if (status >= 300 && status < 400) throw new WebhookError('REDIRECTED', { retryable: false });
  if (!response.ok)
    throw new WebhookError(`HTTP_${status}`, { retryable: status >= 500 || status === 429 || status === 408 });
}

import type { KeyRing } from '../platform/key-ring.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { untraced } from '../platform/untraced.ts';
import { REPORT_PATH } from './endpoints.ts';
import type { Occurrence } from './occurrence.ts';
import { reportLoggedErrors } from './report-logged-errors.ts';

export interface ForwardOptions {
  /** The backend's internal address. */
  backendUrl: string;
  /** `INTERNAL_TOKEN`. */
  tokens: Pick<KeyRing, 'first'>;
  logger: Logger;
  lifecycle: Lifecycle;
}

const ANSWER_MS = 5_000;
const MAX_PENDING = 20;

/**
 * Hands what an ai-worker logs as an error to the backend, which counts and tells. What can't be handed over is in the log all the same.
 * @returns what waits until all that was logged before has been handed over.
 */
export function forwardErrors({ backendUrl, tokens, logger, lifecycle }: ForwardOptions): () => Promise<unknown> {
  const pending = new Set<Promise<unknown>>();
  const post = (occurrence: Occurrence) =>
    fetch(new URL(REPORT_PATH, backendUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.first}`, 'content-type': 'application/json' },
      body: JSON.stringify(occurrence),
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
    }).then((response) => response.body?.cancel());
  reportLoggedErrors(logger, (occurrence) => {
    if (pending.size >= MAX_PENDING) return;
    const sending = untraced(() => post(occurrence))
      .catch(() => undefined)
      .finally(() => pending.delete(sending));
    pending.add(sending);
  });
  const told = () => Promise.all(pending);
  lifecycle.onClose('alerting', told);
  return told;
}

import { setTimeout } from 'node:timers/promises';
import { errorType, isUnavailable } from './errors.ts';
import type { Logger } from './logger.ts';

/**
 * Does what needs a part that may not be there yet, with backoff and a visible reason, for as long
 * as it takes: a process that crashes instead would only start to wait again.
 * @throws what `attempt` throws, where waiting would not help.
 */
export async function waitFor<T>(
  part: string,
  attempt: () => Promise<T>,
  options: { logger: Logger; signal: AbortSignal; isTemporary?: (error: unknown) => boolean },
): Promise<T> {
  const isTemporary = options.isTemporary ?? isUnavailable;
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTemporary(error)) throw error;
      options.logger.warn(`waiting for ${part}`, { reason: errorType(error), retryMs: delayMs });
      await setTimeout(delayMs, undefined, { signal: options.signal });
    }
  }
}

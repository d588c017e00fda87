import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';

export interface WatchOptions {
  /** Which parts are there now, by name; never rejects. */
  checks: () => Promise<Readonly<Record<string, boolean>>>;
  /** A part that has been away for this long needs a person, in ms. */
  lostAfterMs: number;
  intervalMs: number;
  logger: Logger;
  lifecycle: Pick<Lifecycle, 'onClose'>;
}

/** Tells when something that the process stands on has been away for minutes: a restart would have been over. */
export function watchParts({ checks, lostAfterMs, intervalMs, logger, lifecycle }: WatchOptions): void {
  const lastSeen = new Map<string, number>();
  const told = new Set<string>();
  const look = async () => {
    const now = performance.now();
    for (const [part, isThere] of Object.entries(await checks())) {
      if (isThere || !lastSeen.has(part)) {
        lastSeen.set(part, now);
        told.delete(part);
      } else if (now - (lastSeen.get(part) ?? now) >= lostAfterMs && !told.has(part)) {
        told.add(part);
        const seconds = Math.round(lostAfterMs / 1000);
        logger.error(`the ${part} has been away for minutes`, { alert: 'critical', part, seconds });
      }
    }
  };
  const timer = setInterval(() => void look(), intervalMs).unref();
  lifecycle.onClose('part watch', () => clearInterval(timer));
  void look();
}

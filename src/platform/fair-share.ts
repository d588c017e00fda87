export interface FairShareOptions {
  /** Units, such as places or bytes, that are taken at a time. */
  max: number;
}

/** Units that are shared by whoever asks for them. */
export interface FairShare {
  /** Takes units for a key, if there are any for it. */
  take(key: string, amount: number): boolean;
  give(key: string, amount: number): void;
}

/** How long a key that asked counts among those who share, in ms. */
const ASKS_FOR_MS = 60_000;
/** How long what becomes free is kept for a key that was refused its share: until it tries again. */
const KEPT_FOR_MS = 10_000;
/** Of `max`: what a key always gets, even if others took it all while it did not ask. */
const ALWAYS = 0.1;
/** Of `max`: all that is ever taken, those exceptions counted in. */
const AT_MOST = 1.5;

/**
 * Shares what there is among keys, so that none can keep it from the others: one that is alone may take it all, and what is
 * free is anybody's. Once another was refused, who has more than a fair share gets no more until it has less.
 */
export function createFairShare({ max }: FairShareOptions): FairShare {
  const taken = new Map<string, number>();
  const askedAt = new Map<string, number>();
  let total = 0;
  let keptUntil = 0;

  /** Of each key, by how many there are. */
  function fairShare(key: string, now: number): number {
    askedAt.set(key, now);
    for (const [other, at] of askedAt) if (now - at > ASKS_FOR_MS && !taken.has(other)) askedAt.delete(other);
    return max / askedAt.size;
  }

  return {
    take(key, amount) {
      const now = performance.now();
      const own = (taken.get(key) ?? 0) + amount;
      const share = fairShare(key, now);
      const isFree = total + amount <= max && (own <= share || now >= keptUntil);
      const isAlways = own <= Math.max(1, max * ALWAYS) && total + amount <= max * AT_MOST;
      if (!isFree && !isAlways) {
        if (own <= share) keptUntil = now + KEPT_FOR_MS;
        return false;
      }
      taken.set(key, own);
      total += amount;
      return true;
    },
    give(key, amount) {
      total -= amount;
      const left = (taken.get(key) ?? 0) - amount;
      if (left > 0) taken.set(key, left);
      else taken.delete(key);
    },
  };
}

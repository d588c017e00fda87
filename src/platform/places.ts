import { metrics } from '@opentelemetry/api';
import type { Response } from 'express';
import type { Endpoint } from './endpoint.ts';
import { DomainError } from './errors.ts';
import { createFairShare } from './fair-share.ts';

export interface PlacesOptions {
  /** How many there are at a time, over all keys. */
  max: number;
  /** What they are for. */
  of: keyof typeof KINDS;
}

const KINDS = {
  uploads: { body: 'upload', name: 'uploads arriving', code: 'QUEUE_FULL' },
  downloads: { body: 'download', name: 'downloads in progress', code: 'RATE_LIMITED' },
  events: { body: 'events', name: 'event streams open', code: 'RATE_LIMITED' },
  searches: { body: undefined, name: 'searches in progress', code: 'RATE_LIMITED' },
} as const;

/** Places for what takes its time, shared by keys. */
export interface Places {
  /**
   * Takes a place for the key that a request carries.
   * @returns what gives it back, once however often it is called.
   * @throws DomainError where there is none for this key.
   */
  enter(response: Response): () => void;
}

const RETRY_AFTER_S = 2;

/**
 * Opens places, counted in `http_bodies_in_progress` where bodies take them.
 * @see createFairShare for who gets one when there are few.
 */
export function createPlaces({ max, of }: PlacesOptions): Places {
  const { body, name, code } = KINDS[of];
  const share = createFairShare({ max });
  const count = body === undefined ? undefined : countBodies(body);
  const message = `There are ${max} ${name} already, or your key has its share of them. Try again in a moment.`;
  return {
    enter(response) {
      const key = keyOf(response);
      if (!share.take(key, 1)) throw new DomainError(code, message, { retryAfter: RETRY_AFTER_S, refusal: of });
      count?.(1);
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        share.give(key, 1);
        count?.(-1);
      };
    },
  };
}

/** Takes a place for as long as an answer is being sent. */
export function enterUntilClosed(places: Places, response: Response): void {
  const leave = places.enter(response);
  // No event will tell of what is over.
  if (response.closed || response.destroyed) leave();
  else response.once('close', leave);
}

/** The endpoints, each call taking a place for as long as it is handled. */
export function inPlaces(endpoints: readonly Endpoint[], places: Places): Endpoint[] {
  return endpoints.map((endpoint) => ({
    ...endpoint,
    async handle(input) {
      const leave = places.enter(input.response);
      try {
        return await endpoint.handle(input);
      } finally {
        leave();
      }
    },
  }));
}

/** Who shares: keys, by their fingerprints. */
export function keyOf(response: Response): string {
  return String(response.locals['keyFingerprint']);
}

function countBodies(kind: string): (change: 1 | -1) => void {
  const bodies = metrics.getMeter('ragbase.http').createUpDownCounter('http_bodies_in_progress', {
    description: 'Bodies that are being received or sent, and event streams that are open',
  });
  bodies.add(0, { kind });
  return (change) => bodies.add(change, { kind });
}

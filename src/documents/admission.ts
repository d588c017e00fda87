import { DomainError } from '../platform/errors.ts';
import { createFairShare } from '../platform/fair-share.ts';
import type { RefusalReason } from '../platform/refusals.ts';
import { LANES, type Lane } from './formats.ts';
import type { LaneState } from './queue-state.ts';

export interface AdmissionOptions {
  /** What waits, as of a moment ago; another object after each reading. */
  current: () => Readonly<Record<Lane, LaneState>>;
  /** Documents that may wait in a lane. */
  maxDepth: number;
  /** How long the first document of a lane may have waited, in ms. */
  maxAgeMs: number;
  /** Bytes that uploads which are not streamed may hold in memory, over all keys. */
  maxHeldBytes: number;
}

/** Decides which uploads are taken. */
export interface Admission {
  /**
   * Asked before a byte of an upload is read: its lane shows in its bytes alone.
   * @throws DomainError `QUEUE_FULL` where no lane has room.
   */
  assertSomeRoom(): void;
  /** How many more documents may wait in a lane. */
  room(lane: Lane): number;
  /** @throws DomainError `QUEUE_FULL` where no more documents may wait in the lane. */
  assertRoom(lane: Lane): void;
  /** Counts a document that waits from now on, until the next reading knows of it. */
  accepted(lane: Lane): void;
  /** For an upload of a key that is held in memory as a whole. */
  hold(key: string): Held;
}

/** What one upload holds in memory. */
export interface Held {
  /**
   * Counts bytes that came, as they come: what is only announced costs nobody anything.
   * @throws DomainError `QUEUE_FULL` where there is no room for them.
   */
  add(bytes: number): void;
  release(): void;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const memory = createFairShare({ max: options.maxHeldBytes });
  const waiting = countSinceReading(options.current);

  function room(lane: Lane): number {
    const { queued, delayed } = options.current()[lane];
    return Math.max(0, options.maxDepth - queued - delayed - waiting.since(lane));
  }

  function refusalOf(lane: Lane): DomainError | undefined {
    const { oldestSeconds } = options.current()[lane];
    if (room(lane) === 0)
      return full('queue_full', `${options.maxDepth} documents are waiting already. Send this one later.`, 30);
    if (oldestSeconds * 1000 > options.maxAgeMs)
      return full('queue_full', 'Documents have been waiting for too long already. Send this one later.', 60);
    return undefined;
  }

  return {
    room,
    accepted: waiting.add,
    assertRoom(lane) {
      const refusal = refusalOf(lane);
      if (refusal) throw refusal;
    },
    assertSomeRoom() {
      const refusals = LANES.map(refusalOf);
      if (refusals.every((refusal) => refusal !== undefined)) throw refusals[0];
    },
    hold(key) {
      let held = 0;
      return {
        add(bytes) {
          if (!memory.take(key, bytes))
            throw full('json_bytes', 'Too much JSON is arriving. Send this in a moment, or as multipart/form-data.', 2);
          held += bytes;
        },
        release() {
          memory.give(key, held);
          held = 0;
        },
      };
    },
  };
}

const full = (refusal: RefusalReason, message: string, retryAfter: number) =>
  new DomainError('QUEUE_FULL', message, { retryAfter, refusal });

/** Between two readings of the database, documents would pour in uncounted. */
function countSinceReading(current: () => object) {
  let reading = current();
  let counts: Record<Lane, number> = { fast: 0, heavy: 0 };
  const counted = () => {
    if (reading === current()) return counts;
    reading = current();
    counts = { fast: 0, heavy: 0 };
    return counts;
  };
  return {
    since: (lane: Lane): number => counted()[lane],
    add: (lane: Lane): void => {
      counted()[lane] += 1;
    },
  };
}

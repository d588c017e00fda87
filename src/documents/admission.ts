import { DomainError } from '../platform/errors.ts';
import { LANES, type Lane } from './formats.ts';
import type { LaneState } from './queue-state.ts';

export interface AdmissionOptions {
  /** What waits, as of a moment ago; another object after each reading. */
  current: () => Readonly<Record<Lane, LaneState>>;
  /** Documents that may wait in a lane. */
  maxDepth: number;
  /** How long the first document of a lane may have waited, in ms. */
  maxAgeMs: number;
  /** Uploads that may arrive at a time. */
  maxUploads: number;
  /** Sum of the weights of the uploads that arrive at a time. */
  maxWeight: number;
}

/** Decides which uploads are taken. */
export interface Admission {
  /**
   * Lets an upload begin, before a byte of it is read.
   * @param upload.weight bytes that it will hold in memory, where it is not streamed.
   * @returns what ends it.
   * @throws DomainError `QUEUE_FULL`
   */
  enter(upload?: { weight: number }): () => void;
  /** How many more documents may wait in a lane. */
  room(lane: Lane): number;
  /** @throws DomainError `QUEUE_FULL` where no more documents may wait in the lane. */
  assertRoom(lane: Lane): void;
  /** Counts a document that waits from now on, until the next reading knows of it. */
  accepted(lane: Lane): void;
}

export function createAdmission(options: AdmissionOptions): Admission {
  let uploads = 0;
  let weights = 0;
  const waiting = countSinceReading(options.current);

  function room(lane: Lane): number {
    const { queued, delayed } = options.current()[lane];
    return Math.max(0, options.maxDepth - queued - delayed - waiting.since(lane));
  }

  function assertRoom(lane: Lane): void {
    const { oldestSeconds } = options.current()[lane];
    if (room(lane) === 0) throw full(`${options.maxDepth} documents are waiting already. Send this one later.`, 30);
    if (oldestSeconds * 1000 > options.maxAgeMs)
      throw full('Documents have been waiting for too long already. Send this one later.', 60);
  }

  return {
    room,
    assertRoom,
    accepted: waiting.add,
    enter({ weight } = { weight: 0 }) {
      if (uploads >= options.maxUploads)
        throw full(`${options.maxUploads} uploads are arriving already. Send this one in a moment.`, 2);
      if (weight > 0 && weights > 0 && weights + weight > options.maxWeight)
        throw full('Too much JSON is arriving already. Send this in a moment, or as multipart/form-data.', 2);
      // Its lane shows in its bytes alone: here it is too early, unless no lane has room.
      const refusals = LANES.map((lane) => refusalOf(() => assertRoom(lane)));
      if (refusals.every((refusal) => refusal !== undefined)) throw refusals[0];
      uploads += 1;
      weights += weight;
      return () => {
        uploads -= 1;
        weights -= weight;
      };
    },
  };
}

const full = (message: string, retryAfter: number) => new DomainError('QUEUE_FULL', message, { retryAfter });

function refusalOf(check: () => void): unknown {
  try {
    check();
    return undefined;
  } catch (refusal) {
    return refusal;
  }
}

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

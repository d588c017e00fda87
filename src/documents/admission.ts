import { DomainError } from '../platform/errors.ts';
import { createFairShare } from '../platform/fair-share.ts';
import type { RefusalReason } from '../platform/refusals.ts';
import { LANES, type Lane } from './formats.ts';
import type { LaneReading } from './queue-state.ts';

export interface AdmissionOptions {
  /** What waits, as of a moment ago; another object after each reading. */
  current: () => Readonly<Record<Lane, LaneReading>>;
  /** Documents that may wait in a lane. */
  maxDepth: number;
  /** How long the first document of a key may have waited, in ms. */
  maxAgeMs: number;
  /** Bytes that uploads which are not streamed may hold in memory, over all keys. */
  maxHeldBytes: number;
}

/** Decides which uploads are taken. */
export interface Admission {
  /**
   * Asked before a byte of an upload of a key is read: its lane shows in its bytes alone.
   * @throws DomainError `QUEUE_FULL` where no lane has room.
   */
  assertSomeRoom(owner: string): void;
  /** How many more documents may wait in a lane. */
  room(lane: Lane): number;
  /** @throws DomainError `QUEUE_FULL` where no more documents of the key may wait in the lane; it says whose they are. */
  assertRoom(lane: Lane, owner: string): void;
  /** Counts a document that waits from now on, until the next reading knows of it. */
  accepted(lane: Lane, owner: string): void;
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

/** Of the depth: what a key gets in though others have filled the lane, and all that such may come to. */
const ALWAYS = 0.1;
const BEYOND = 0.5;

export function createAdmission(options: AdmissionOptions): Admission {
  const memory = createFairShare({ max: options.maxHeldBytes });
  const waiting = countSinceReading(options.current);

  const left = (lane: Lane): number => {
    const { queued, delayed } = options.current()[lane];
    return options.maxDepth - queued - delayed - waiting.since(lane);
  };

  function refusalOf(lane: Lane, owner: string): DomainError | undefined {
    const { waiting: known = 0, oldestSeconds = 0 } = options.current()[lane].owners.get(owner) ?? {};
    const own = known + waiting.since(lane, owner);
    // Where others have filled the lane, a key that has little in it gets a little in all the same.
    const mayExceed = own < Math.max(1, options.maxDepth * ALWAYS) && left(lane) > -options.maxDepth * BEYOND;
    if (left(lane) <= 0 && !mayExceed)
      return own > 0
        ? full('work_of_key', `Your key has ${own} documents waiting, and the queue is full. Send this one later.`, 30)
        : full('queue_full', `${options.maxDepth} documents are waiting already. Send this one later.`, 30);
    if (oldestSeconds * 1000 > options.maxAgeMs)
      return full('work_of_key', 'Documents of your key have been waiting for too long. Send this one later.', 60);
    return undefined;
  }

  return {
    room: (lane) => Math.max(0, left(lane)),
    accepted: waiting.add,
    assertRoom(lane, owner) {
      const refusal = refusalOf(lane, owner);
      if (refusal) throw refusal;
    },
    assertSomeRoom(owner) {
      const refusals = LANES.map((lane) => refusalOf(lane, owner));
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
  let added: { lane: Lane; owner: string }[] = [];
  const sinceReading = () => {
    if (reading !== current()) added = [];
    reading = current();
    return added;
  };
  return {
    /** Of all keys, without one. */
    since: (lane: Lane, owner?: string): number =>
      sinceReading().filter((one) => one.lane === lane && (owner === undefined || one.owner === owner)).length,
    add: (lane: Lane, owner: string): void => void sinceReading().push({ lane, owner }),
  };
}

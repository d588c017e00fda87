import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Lane } from '../documents/formats.ts';
import type { Claimed, Turn } from '../documents/job.ts';
import { burstLog } from '../platform/burst-log.ts';
import type { Logger } from '../platform/logger.ts';
import { untraced } from '../platform/untraced.ts';
import type { InHand } from './in-hand.ts';

export interface HandsForOthersOptions {
  lane: Lane;
  /** Hands beside those that take jobs. The last is for keys that have none, the others for collections that have none. */
  count: number;
  /** Whether all hands that take jobs are full; and whether this worker may take documents at all. */
  isNeeded: () => boolean;
  inHand: InHand;
  claim: (turn: Turn) => Promise<Claimed | undefined>;
  /** Must resolve whatever becomes of the document. */
  work: (claimed: Claimed, signal: AbortSignal) => Promise<void>;
  logger: Logger;
}

/** How often it is asked whether others wait, in ms. */
const ASK_MS = 250;

/**
 * Hands that a lane keeps for those who have none: while its own are full of long documents, whoever else waits is
 * served all the same, one document at a time. So nobody holds a lane for as long as they have documents.
 * @returns a function that asks no more, gives what is in the works `graceMs`, and hands the rest back.
 */
export function openHandsForOthers(options: HandsForOthersOptions): (graceMs: number) => Promise<void> {
  const { lane, count, inHand, logger } = options;
  const log = burstLog({ logger, subject: 'asking for others', fields: { lane } });
  const busy = new Set<Promise<void>>();
  const stopping = new AbortController();
  const handBack = new AbortController();

  // The same until there is an answer: one that was lost may have been a document.
  let ticket = randomUUID();

  async function ask(): Promise<void> {
    if (busy.size >= count || !options.isNeeded()) return;
    const held = inHand.of(lane);
    const claimed = await options.claim({
      ticket,
      holding: held.map(({ documentId }) => documentId),
      exceptOwners: busy.size === count - 1 ? held.map(({ owner }) => owner) : [],
      exceptShares: held,
    });
    ticket = randomUUID();
    log.recovered();
    if (!claimed) return;
    const work = options.work(claimed, handBack.signal).finally(() => busy.delete(work));
    busy.add(work);
    // Others may wait behind it.
    await ask();
  }

  async function askRegularly(): Promise<void> {
    while (!stopping.signal.aborted) {
      await ask().catch(log.failed);
      await setTimeout(ASK_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const asking = untraced(askRegularly);
  return async (graceMs) => {
    stopping.abort();
    await asking;
    await Promise.race([Promise.allSettled(busy), setTimeout(graceMs, undefined, { ref: false })]);
    handBack.abort();
    await Promise.allSettled(busy);
  };
}

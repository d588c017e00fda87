import type { Lane } from '../documents/formats.ts';

/** A document that is worked on, and whose it is. */
export interface HeldDocument {
  documentId: string;
  /** Of a key. */
  owner: string;
  collection: string;
}

/** The documents that this worker is working on now, by lane. */
export interface InHand {
  /** @returns what ends it. */
  enter(lane: Lane, document: HeldDocument): () => void;
  of(lane: Lane): HeldDocument[];
}

export function createInHand(): InHand {
  const byLane: Record<Lane, Set<HeldDocument>> = { fast: new Set(), heavy: new Set() };
  return {
    enter(lane, { documentId, owner, collection }) {
      const held = { documentId, owner, collection };
      byLane[lane].add(held);
      return () => void byLane[lane].delete(held);
    },
    of: (lane) => [...byLane[lane]],
  };
}

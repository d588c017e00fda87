/** A chunk that was found. */
export interface Hit {
  /** int8, as text. */
  chunkId: string;
  documentId: string;
  /** Higher is better; comparable within one ranking alone. */
  score: number;
}

/** Ties stand in the order of the chunks, so that the same search gives the same answer. */
export function bestFirst(hits: readonly Hit[]): Hit[] {
  return hits.toSorted((a, b) => b.score - a.score || Number(BigInt(a.chunkId) - BigInt(b.chunkId)));
}

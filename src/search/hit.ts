/** A chunk that was found. */
export interface Hit {
  /** int8, as text. */
  chunkId: string;
  documentId: string;
  /** Higher is better; comparable within one ranking alone. */
  score: number;
}

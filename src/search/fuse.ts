import { bestFirst, type Hit } from './hit.ts';

/**
 * One ranking of two. The scores of each are brought to 0 (its last) .. 1 (its best), since cosines
 * and BM25 have nothing else in common, and the two are averaged; a chunk that one lacks gets 0 for
 * it. Measured with `npm run eval`: better than reciprocal rank fusion, and than unequal shares.
 * @param arms each best first.
 * @returns best first; scores from 0 to 1.
 */
export function fuse(arms: { keyword: readonly Hit[]; vector: readonly Hit[] }): Hit[] {
  const fused = new Map<string, Hit>();
  for (const hit of [...normalise(arms.vector), ...normalise(arms.keyword)]) {
    const before = fused.get(hit.chunkId)?.score ?? 0;
    fused.set(hit.chunkId, { ...hit, score: before + hit.score / 2 });
  }
  return bestFirst([...fused.values()]);
}

/** To 0 .. 1. Where all are equal, all are as good as the best. */
function normalise(hits: readonly Hit[]): Hit[] {
  const best = hits[0]?.score ?? 0;
  const range = best - (hits.at(-1)?.score ?? 0);
  return hits.map((hit) => ({ ...hit, score: range > 0 ? 1 - (best - hit.score) / range : 1 }));
}

/** What the second chunk of a document loses, the third twice, and so on. */
const REPEAT_FACTOR = 0.5;

/**
 * Makes room for other documents: each further chunk of one counts half of what the one before it
 * would. Without it, the neighbours of a good chunk, which overlap it, crowd out other answers.
 * @param hits best first.
 */
export function spreadDocuments(hits: readonly Hit[]): Hit[] {
  const factors = new Map<string, number>();
  const spread = hits.map((hit) => {
    const factor = factors.get(hit.documentId) ?? 1;
    factors.set(hit.documentId, factor * REPEAT_FACTOR);
    // A negative cosine must not gain by it.
    return { ...hit, score: Math.min(hit.score, hit.score * factor) };
  });
  return bestFirst(spread);
}

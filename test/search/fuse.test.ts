import assert from 'node:assert/strict';
import { fuse, spreadDocuments } from '../../src/search/fuse.ts';
import type { Hit } from '../../src/search/hit.ts';

/** Hits of documents of their own. */
const hits = (scores: Record<string, number>): Hit[] =>
  Object.entries(scores)
    .map(([chunkId, score]) => ({ chunkId, documentId: `d${chunkId}`, score }))
    .sort((a, b) => b.score - a.score);

const order = (ranked: readonly Hit[]): string[] => ranked.map(({ chunkId }) => chunkId);

describe('fusion', () => {
  it('puts what both arms like before what one likes', () => {
    const ranked = fuse({ vector: hits({ 1: 0.9, 2: 0.8, 3: 0.1 }), keyword: hits({ 4: 20, 2: 19, 5: 2 }) });
    assert.equal(order(ranked)[0], '2');
    assert.deepEqual(new Set(order(ranked)), new Set(['1', '2', '3', '4', '5']));
  });

  it('compares arms by their range, not by their size', () => {
    const keyword = hits({ 1: 30, 2: 20, 3: 10 });
    const vector = hits({ 3: 0.9, 2: 0.4, 1: 0.3 });
    const scaled = (arm: Hit[], factor: number, shift: number) =>
      arm.map((hit) => ({ ...hit, score: hit.score * factor + shift }));
    assert.deepEqual(
      order(fuse({ keyword: scaled(keyword, 100, 7), vector: scaled(vector, 0.01, -1) })),
      order(fuse({ keyword, vector })),
    );
  });

  it('gives scores from 0 to 1', () => {
    const ranked = fuse({ vector: hits({ 1: 0.9, 2: 0.5 }), keyword: hits({ 1: 12, 3: 4 }) });
    assert.deepEqual(
      ranked.map(({ chunkId, score }) => [chunkId, score]),
      [
        ['1', 1],
        ['2', 0],
        ['3', 0],
      ],
    );
  });

  it('goes on with one arm where the other finds nothing', () => {
    assert.deepEqual(order(fuse({ vector: hits({ 1: 0.9, 2: 0.5 }), keyword: [] })), ['1', '2']);
    assert.deepEqual(order(fuse({ vector: [], keyword: hits({ 1: 3, 2: 5 }) })), ['2', '1']);
    assert.deepEqual(fuse({ vector: [], keyword: [] }), []);
  });

  it('takes equal scores for equally good', () => {
    const ranked = fuse({ vector: hits({ 1: 0.5, 2: 0.5 }), keyword: [] });
    assert.equal(ranked[0]?.score, ranked[1]?.score);
    assert.ok((ranked[0]?.score ?? 0) > 0);
  });
});

describe('spreading documents', () => {
  const hit = (chunkId: number, documentId: string, score: number): Hit => ({
    chunkId: String(chunkId),
    documentId,
    score,
  });

  it('halves the second chunk of a document, the third once more', () => {
    const spread = spreadDocuments([hit(1, 'a', 1), hit(2, 'a', 0.9), hit(3, 'a', 0.8), hit(4, 'b', 0.3)]);
    assert.deepEqual(
      spread.map(({ chunkId, score }) => [chunkId, score]),
      [
        ['1', 1],
        ['2', 0.45],
        ['4', 0.3],
        ['3', 0.2],
      ],
    );
  });

  it('keeps all, and lifts none', () => {
    const spread = spreadDocuments([hit(1, 'a', 0.1), hit(2, 'b', -0.2), hit(3, 'a', -0.4)]);
    assert.deepEqual(spread, [hit(1, 'a', 0.1), hit(2, 'b', -0.2), hit(3, 'a', -0.4)]);
  });

  it('orders ties by chunk', () => {
    assert.deepEqual(order(spreadDocuments([hit(10, 'a', 0.5), hit(9, 'b', 0.5)])), ['9', '10']);
  });
});

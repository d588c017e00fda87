import assert from 'node:assert/strict';
import { batchesOf } from '../../src/embeddings/batches.ts';

describe('batchesOf', () => {
  const batches = (texts: string[], maxTexts: number, maxChars: number) => [
    ...batchesOf(texts, { maxTexts, maxChars }),
  ];

  it('cuts by number of texts', () => {
    assert.deepEqual(batches(['a', 'b', 'c', 'd', 'e'], 2, 100), [['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('cuts by size, and lets a text that is too large go alone', () => {
    assert.deepEqual(batches(['aaa', 'bb', 'cccc', 'dddddddd', 'e'], 10, 5), [
      ['aaa', 'bb'],
      ['cccc'],
      ['dddddddd'],
      ['e'],
    ]);
  });

  it('makes nothing of nothing', () => {
    assert.deepEqual(batches([], 2, 5), []);
  });
});

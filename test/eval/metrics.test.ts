import assert from 'node:assert/strict';
import { mean, qualityOf, quantile } from './metrics.ts';

const near = (actual: number | undefined, expected: number) =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-9, `${actual} is not ${expected}`);

describe('the quality of a ranking', () => {
  it('is 1 for the ideal order', () => {
    const judgements = new Map([
      ['a', 3],
      ['b', 2],
      ['c', 1],
    ]);
    assert.deepEqual(qualityOf(['a', 'b', 'c', 'd'], judgements), { ndcgAt10: 1, recallAt100: 1 });
  });

  it('discounts gains by the logarithm of their rank', () => {
    const judgements = new Map([
      ['a', 3],
      ['b', 2],
    ]);
    // (2/log2(2) + 3/log2(4)) / (3/log2(2) + 2/log2(3)): b first, something else second, a third.
    near(qualityOf(['b', 'x', 'a'], judgements)?.ndcgAt10, (2 + 3 / 2) / (3 + 2 / Math.log2(3)));
  });

  it('counts gains to the tenth rank, and recall to the hundredth', () => {
    const judgements = new Map([
      ['a', 1],
      ['b', 1],
    ]);
    const others = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `x${from + index}`);
    assert.deepEqual(qualityOf([...others(10), 'a', ...others(89, 10), 'b'], judgements), {
      ndcgAt10: 0,
      recallAt100: 0.5,
    });
  });

  it('has the ideal of ten where more are relevant', () => {
    const judgements = new Map(Array.from({ length: 12 }, (_, index) => [`d${index}`, 1] as const));
    near(qualityOf([...judgements.keys()], judgements)?.ndcgAt10, 1);
  });

  it('takes a judgement of 0 or less for irrelevant', () => {
    assert.equal(qualityOf(['a'], new Map([['a', 0]])), undefined);
    const judgements = new Map([
      ['a', -1],
      ['b', 1],
    ]);
    near(qualityOf(['a', 'b'], judgements)?.ndcgAt10, 1 / Math.log2(3));
  });

  it('is undefined where nothing is relevant', () => {
    assert.equal(qualityOf(['a'], new Map()), undefined);
  });
});

describe('figures', () => {
  it('are means and quantiles', () => {
    near(mean([1, 2, 6]), 3);
    assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3);
    assert.equal(quantile([5, 1, 4, 2, 3], 0.95), 5);
    assert.equal(quantile([7], 0.5), 7);
  });
});

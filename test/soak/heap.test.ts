import assert from 'node:assert/strict';
import { judgeHeap } from './heap.ts';

const MB = 1024 ** 2;

describe('the judgement of a heap', () => {
  const isFlat = (sizeAt: (minute: number) => number) =>
    judgeHeap({ name: 'heap', samples: Array.from({ length: 90 }, (_, index) => sizeAt(index / 6) * MB) }).isFlat;

  it('lets a heap breathe, and fill its caches at first', () => {
    assert.equal(
      isFlat((minute) => 50 + Math.sin(minute * 9)),
      true,
    );
    assert.equal(
      isFlat((minute) => 40 + Math.min(10, 8 * minute)),
      true,
    );
  });

  it('finds 10 KB a connection at one a second', () => {
    assert.equal(
      isFlat((minute) => 50 + Math.sin(minute * 9) + minute * 0.6),
      false,
    );
  });
});

import assert from 'node:assert/strict';
import { quantizeColumns, transpose } from '../../../src/embeddings/local/quantize.ts';

describe('transpose', () => {
  it('swaps rows and columns', () => {
    assert.deepEqual([...transpose(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)], [1, 4, 2, 5, 3, 6]);
  });
});

describe('quantizeColumns', () => {
  it('gives each column a scale of its own, and each value back within half a step', () => {
    const matrix = Float32Array.of(1, 100, -0.5, 33.3, 0.126, -100);
    const { values, scales } = quantizeColumns(matrix, 2);
    assert.deepEqual([values[0], values[1], values[5]], [127, 127, -127]);
    matrix.forEach((value, i) => {
      const scale = scales[i % 2] ?? Number.NaN;
      assert.ok(Math.abs((values[i] ?? Number.NaN) * scale - value) <= scale / 2 + 1e-6);
    });
  });

  it('keeps a column of zeros', () => {
    assert.deepEqual([...quantizeColumns(Float32Array.of(0, 1, 0, 2), 2).values], [0, 64, 0, 127]);
  });
});

/** Cosine of two vectors of unit length. */
export function cosine(one: Float32Array, other: Float32Array): number {
  return one.reduce((sum, value, i) => sum + value * (other[i] ?? Number.NaN), 0);
}

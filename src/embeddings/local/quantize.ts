/** A weight matrix as int8, with the factor that gives each of its columns back. */
export interface QuantizedMatrix {
  values: Int8Array;
  scales: Float32Array;
}

/** -128 is left out, for symmetry. */
const LARGEST = 127;

/** `[rows, columns]` row-major to `[columns, rows]`. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const transposed = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      transposed[column * rows + row] = values[row * columns + column] ?? Number.NaN;
    }
  }
  return transposed;
}

/** Symmetric int8 quantisation of a `[rows, columns]` matrix, with a scale of its own for each column. */
export function quantizeColumns(values: Float32Array, columns: number): QuantizedMatrix {
  const scales = new Float32Array(columns);
  values.forEach((value, i) => {
    const column = i % columns;
    scales[column] = Math.max(scales[column] ?? 0, Math.abs(value) / LARGEST);
  });
  const quantized = new Int8Array(values.length);
  values.forEach((value, i) => {
    // A column of zeros has no scale; any other than 0 will do.
    quantized[i] = Math.round(value / (scales[i % columns] || 1));
  });
  return { values: quantized, scales };
}

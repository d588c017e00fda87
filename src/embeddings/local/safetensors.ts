import { readFile } from 'node:fs/promises';

/** A weight: row-major values, with the size of each axis. */
export interface Weight {
  shape: readonly number[];
  values: Float32Array;
}

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [start: number, end: number] };
}

/**
 * Reads the floating-point weights of a safetensors file as float32, by name. Tensors of other types are left out.
 * @see https://github.com/huggingface/safetensors#format
 * @throws Error when the file is not what its header promises.
 */
export async function readSafetensors(path: string): Promise<Map<string, Weight>> {
  const file = await readFile(path);
  const dataStart = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(file.toString('utf8', 8, dataStart)) as Header;
  const weights = new Map<string, Weight>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(tensors)) {
    const bytes = file.subarray(dataStart + data_offsets[0], dataStart + data_offsets[1]);
    const values = floats(dtype, bytes);
    if (values === undefined) continue;
    if (values.length !== shape.reduce((product, size) => product * size, 1)) {
      throw new Error(`${path}: the weight ${name} is not as large as its shape`);
    }
    weights.set(name, { shape, values });
  }
  return weights;
}

function floats(dtype: string, bytes: Uint8Array): Float32Array | undefined {
  // Copies: typed arrays want aligned memory, and a tensor may start anywhere in the file.
  if (dtype === 'F32') return new Float32Array(new Uint8Array(bytes).buffer);
  if (dtype === 'F16') return fromHalves(new Uint16Array(new Uint8Array(bytes).buffer));
  return undefined;
}

/** IEEE 754 half precision to single, through a table of all 65,536 values. */
function fromHalves(halves: Uint16Array): Float32Array {
  const table = Float32Array.from({ length: 0x10000 }, (_, bits) => {
    const exponent = (bits >> 10) & 0x1f;
    const fraction = (bits & 0x3ff) / 0x400;
    const magnitude = exponent === 0 ? 2 ** -14 * fraction : 2 ** (exponent - 15) * (1 + fraction);
    return bits & 0x8000 ? -magnitude : magnitude;
  });
  const singles = new Float32Array(halves.length);
  halves.forEach((bits, i) => {
    singles[i] = table[bits] ?? Number.NaN;
  });
  return singles;
}

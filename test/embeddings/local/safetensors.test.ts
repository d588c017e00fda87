import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '../../../src/embeddings/local/safetensors.ts';

function safetensors(header: object, data: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

describe('readSafetensors', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
    path = join(folder, 'model.safetensors');
  });
  after(() => rm(folder, { recursive: true }));

  it('reads half precision: zeros, signs, subnormals and the largest', async () => {
    const halves = Uint16Array.of(0x0000, 0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555);
    const header = { w: { dtype: 'F16', shape: [2, 3], data_offsets: [0, 12] } };
    await writeFile(path, safetensors(header, new Uint8Array(halves.buffer)));
    const weight = (await readSafetensors(path)).get('w');
    assert.deepEqual(weight?.shape, [2, 3]);
    assert.deepEqual([...weight.values], [0, 1, -2, 2 ** -24, 65504, 0.333251953125]);
  });

  it('reads single precision, wherever it starts, and leaves other types out', async () => {
    const data = Buffer.concat([Buffer.of(7), new Uint8Array(Float32Array.of(1.5, -0.25).buffer)]);
    const header = {
      __metadata__: { format: 'pt' },
      ids: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
      w: { dtype: 'F32', shape: [2], data_offsets: [1, 9] },
    };
    await writeFile(path, safetensors(header, data));
    const weights = await readSafetensors(path);
    assert.deepEqual([...weights.keys()], ['w']);
    assert.deepEqual([...(weights.get('w')?.values ?? [])], [1.5, -0.25]);
  });

  it('refuses a file that ends too early', async () => {
    const header = { w: { dtype: 'F16', shape: [4], data_offsets: [0, 8] } };
    await writeFile(path, safetensors(header, Buffer.alloc(4)));
    await assert.rejects(readSafetensors(path), /the weight w is not as large as its shape/);
  });
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type PreparedModel,
  readPreparedModel,
  writePreparedModel,
} from '../../../src/embeddings/local/model-cache.ts';
import { prepareLocalModel } from '../../../src/embeddings/local/prepare-model.ts';

const sha256 = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

describe('prepareLocalModel', function () {
  this.timeout(120_000);
  let cacheDir: string;
  let prepared: PreparedModel;
  let sound: string;

  before(async () => {
    cacheDir = join(await mkdtemp(join(tmpdir(), 'model-')), 'not', 'there', 'yet');
    // Twice at once, as two processes would.
    const [one, other] = await Promise.all([prepareLocalModel({ cacheDir }), prepareLocalModel({ cacheDir })]);
    assert.deepEqual(one, other);
    prepared = one;
    sound = await sha256(prepared.path);
  });
  after(() => rm(join(cacheDir, '..', '..', '..'), { recursive: true }));

  it('leaves the model and what was found about it, and nothing half-written', async () => {
    const names = (await readdir(cacheDir)).map((name) => name.replace(/^.*\./, '')).sort();
    assert.deepEqual(names, ['json', 'onnx']);
  });

  it('chooses int8 only where it comes close to f32', () => {
    assert.equal(prepared.precision, prepared.minCosine >= 0.97 ? 'int8' : 'f32');
    assert.ok(prepared.minCosine > 0.9 && prepared.minCosine < 1, `cosine ${prepared.minCosine}`);
  });

  it('builds nothing where the model is there', async () => {
    const verdict = (await readdir(cacheDir)).find((name) => name.endsWith('.json')) ?? '';
    const path = join(cacheDir, verdict);
    // A build would write its own figure.
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), minCosine: 0.999 }));
    assert.equal((await prepareLocalModel({ cacheDir })).minCosine, 0.999);
  });

  it('builds a truncated file anew', async () => {
    await truncate(prepared.path, 1_000_000);
    assert.equal(await readPreparedModel(cacheDir), undefined);
    const { path } = await prepareLocalModel({ cacheDir });
    assert.equal(await sha256(path), sound);
  });

  it('builds a file with one wrong byte anew', async () => {
    const bytes = await readFile(prepared.path);
    bytes[40_000_000] = (bytes[40_000_000] ?? 0) ^ 1;
    await writeFile(prepared.path, bytes);
    const { path } = await prepareLocalModel({ cacheDir });
    assert.equal(await sha256(path), sound);
  });

  it('says why it can build none', async () => {
    const file = join(cacheDir, 'a-file');
    await writeFile(file, '');
    await assert.rejects(
      prepareLocalModel({ cacheDir: file }),
      /cannot build the embedding model into .*a-file: EEXIST/,
    );
  });
});

describe('readPreparedModel', () => {
  let cacheDir: string;
  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'model-cache-'));
  });
  after(() => rm(cacheDir, { recursive: true }));

  it('finds nothing in a folder that is empty, or away', async () => {
    assert.equal(await readPreparedModel(cacheDir), undefined);
    assert.equal(await readPreparedModel(join(cacheDir, 'away')), undefined);
  });

  it('finds what was written, and takes a damaged verdict for none', async () => {
    const written = await writePreparedModel(cacheDir, { model: Buffer.from('m'), precision: 'f32', minCosine: 0.5 });
    assert.deepEqual(await readPreparedModel(cacheDir), written);
    const [verdict] = (await readdir(cacheDir)).filter((name) => name.endsWith('.json'));
    await writeFile(join(cacheDir, verdict ?? ''), '{"precision":"f16"');
    assert.equal(await readPreparedModel(cacheDir), undefined);
  });
});

/**
 * Prepares the local embedding model ahead of its first use, e.g. while an image is built:
 * `node src/embeddings/local/prepare-model-cli.ts <cache folder>`
 */
import { toError } from '../../platform/errors.ts';
import { buildLocalModel } from './build-model.ts';
import { readPreparedModel } from './model-cache.ts';

const cacheDir = process.argv[2];
try {
  if (cacheDir === undefined) throw new Error('usage: prepare-model-cli.ts <cache folder>');
  const prepared = (await readPreparedModel(cacheDir)) ?? (await buildLocalModel({ cacheDir }));
  process.stdout.write(`${JSON.stringify(prepared)}\n`);
} catch (error) {
  process.stderr.write(`${toError(error).message}\n`);
  process.exitCode = 1;
}

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type PreparedModel, readPreparedModel } from './model-cache.ts';

const BUILDER = fileURLToPath(import.meta.resolve('./prepare-model-cli.ts'));

/**
 * The local model's file, built into `cacheDir` at first use (seconds) and checked by SHA-256 at each one. A damaged
 * file is built anew. Any number of processes may do this at once.
 * @throws Error saying why there is none, e.g. a full disk.
 */
export async function prepareLocalModel({ cacheDir }: { cacheDir: string }): Promise<PreparedModel> {
  const prepared = await readPreparedModel(cacheDir);
  if (prepared !== undefined) return prepared;
  await buildInChildProcess(cacheDir);
  const built = await readPreparedModel(cacheDir);
  if (built === undefined) throw new Error(`the embedding model in ${cacheDir} was damaged as soon as it was built`);
  return built;
}

/** Building takes some 600 MB, which a process that goes on would never give back. */
async function buildInChildProcess(cacheDir: string): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [BUILDER, cacheDir]);
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw new Error(`cannot build the embedding model into ${cacheDir}: ${said || 'the builder was killed'}`, {
      cause: error,
    });
  }
}

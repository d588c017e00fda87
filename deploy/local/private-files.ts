import fs from 'node:fs';
import { chmod, readdir, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

/** What others than the owner may do. */
const OTHERS = 0o077;

/**
 * Keeps what this process writes from other users. PGlite sets the mode of each file that it makes to writable for all,
 * whatever the umask is, so that the function by which it does is held as well.
 */
export function writePrivately(): void {
  process.umask(OTHERS);
  const { chmodSync } = fs;
  fs.chmodSync = (path, mode) => chmodSync(path, Number(mode) & ~OTHERS);
  syncBuiltinESMExports();
}

/** Closes a folder, and all that earlier versions left open in it, to other users. */
export async function makePrivate(folder: string): Promise<void> {
  for (const name of ['', ...(await readdir(folder, { recursive: true }))]) {
    const path = join(folder, name);
    const { mode } = await stat(path);
    if ((mode & OTHERS) !== 0) await chmod(path, mode & ~OTHERS & 0o777);
  }
}

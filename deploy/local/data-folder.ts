import { randomBytes } from 'node:crypto';
import { access, chmod, constants, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFile } from './folder-lock.ts';
import { diskFull, explain, LaunchError } from './launch-error.ts';

/** The folder that everything is kept in, held by this launcher. */
export interface DataFolder {
  path: string;
  release(): void;
}

/**
 * Makes the folder where it is missing, closes it to other users, sees that it can be written and has room, and takes it for this launcher.
 * @throws LaunchError that says what to do.
 */
export async function openDataFolder(
  path: string,
  options: { onNote: (line: string) => void; waitMs: number },
): Promise<DataFolder> {
  try {
    await mkdir(path, { recursive: true });
    // It may have been there, open to all.
    await chmod(path, 0o700).catch(() => options.onNote(`${path} is another user's, and stays open to whom it is`));
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const full = await diskFull(path);
    if (full) throw new LaunchError(full);
    const release = await lockFile(join(path, 'launcher.lock'), {
      waitMs: options.waitMs,
      onWait: () => options.onNote(`waiting for another ragbase to leave ${path}`),
    });
    if (release) return { path, release };
  } catch (error) {
    throw new LaunchError(explain(error, path));
  }
  throw new LaunchError(
    `the data folder ${path} is in use by another ragbase: stop that one, or set RAGBASE_DATA_DIR to another folder`,
  );
}

/** The API key of this folder: made at the first start, readable by its owner alone. */
export async function ownApiKey(dataDir: string): Promise<string> {
  const file = join(dataDir, 'api-key');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept.trim() !== '') return kept.trim();
  const key = `rb_${randomBytes(24).toString('base64url')}`;
  await writeFile(file, `${key}\n`, { mode: 0o600 });
  // The mode above is only for a file that is new.
  await chmod(file, 0o600);
  return key;
}

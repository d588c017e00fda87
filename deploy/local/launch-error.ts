import { statfs } from 'node:fs/promises';

/** Something the launcher can't do, in one line that says what to do about it. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}

/** A new database is about 50 MB and the model's file as much again; below this, starting would only fail later. */
const NEEDED_MB = 300;

/**
 * One line for a failure: the launcher's own words, or those for an error code of the file system.
 * @param dataDir the folder that the line names.
 */
export function explain(thrown: unknown, dataDir: string): string {
  if (thrown instanceof LaunchError) return thrown.message;
  const error: NodeJS.ErrnoException = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (error.name === 'TimeoutError') return 'it took too long: see the lines above, or try again with LOG_LEVEL=info';
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFullLine(dataDir, 0);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `the data folder ${dataDir} is not writable: give this user the right to write there, or set RAGBASE_DATA_DIR to another folder`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `the data folder ${dataDir} is not a folder: move the file away, or set RAGBASE_DATA_DIR to another folder`;
    default:
      return error.message.split('\n')[0] ?? error.name;
  }
}

/** The line for a disk that has no room for the data folder, or undefined where it has. */
export async function diskFull(dataDir: string, neededMb: number = NEEDED_MB): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(dataDir);
  const freeMb = Math.floor((bavail * bsize) / 2 ** 20);
  return freeMb < neededMb ? diskFullLine(dataDir, freeMb) : undefined;
}

const diskFullLine = (dataDir: string, freeMb: number): string =>
  `the disk of ${dataDir} is full (${freeMb} MB free): free ${NEEDED_MB} MB, or set RAGBASE_DATA_DIR to a folder on another disk`;

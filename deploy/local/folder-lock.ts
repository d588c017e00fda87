import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const SQLITE_BUSY = 5;

export interface LockOptions {
  /** How long to wait for another holder to go, in ms. */
  waitMs: number;
  /** Called once, when the wait turns out to be longer than a moment. */
  onWait?: () => void;
}

/**
 * Holds `file` until `release`, or until this process ends, however it ends.
 *
 * The lock is the one SQLite takes on an (empty) database: fcntl on the file itself. The kernel drops
 * it with the process, so nothing is stale after a kill -9 or a reboot, and it holds between
 * containers that share a volume, where process ids and sockets mean nothing. Taking it is atomic,
 * which "connect, find it stale, unlink, bind" on a Unix socket is not.
 * @returns the release, or undefined where another process still holds it after the wait.
 */
export async function lockFile(file: string, options: LockOptions): Promise<(() => void) | undefined> {
  const started = Date.now();
  let told = false;
  for (;;) {
    const release = tryLock(file);
    const waited = Date.now() - started;
    if (release || waited >= options.waitMs) return release;
    if (waited > 500 && !told) {
      told = true;
      options.onWait?.();
    }
    await sleep(50);
  }
}

function tryLock(file: string): (() => void) | undefined {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return () => database.close();
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

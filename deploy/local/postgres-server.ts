/**
 * Postgres with pgvector in one process: `node postgres-server.ts <folder> <port> <lock wait in ms>`.
 * Ends on SIGTERM, and after its last client when the launcher is gone.
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { embeddedPassword, endWithLauncher, report } from './child-protocol.ts';
import { lockFile } from './folder-lock.ts';
import { explain, LaunchError } from './launch-error.ts';
import { type OneSession, serveOneSession } from './one-session.ts';
import { makePrivate, writePrivately } from './private-files.ts';

/** Longest time that clients get to finish once the launcher is gone: the longest shutdown of a backend. */
const ORPHAN_DRAIN_MS = 35_000;

async function main(given: string, port: number, lockWaitMs: number): Promise<void> {
  const folder = resolve(given);
  writePrivately();
  await mkdir(folder, { recursive: true });
  const release = await lockFile(`${folder}.lock`, {
    waitMs: lockWaitMs,
    onWait: () => void report({ type: 'note', message: `waiting for the Postgres that still uses ${folder}` }),
  });
  if (!release)
    throw new LaunchError(`the data folder ${folder} is in use by another Postgres of ragbase: stop that one first`);
  await makePrivate(folder);
  const db = await PGlite.create({ dataDir: folder, extensions: { vector } });
  exitOnCrash(db);
  process.chdir(dirname(folder));
  const sessions = await serveOneSession(db, {
    host: '127.0.0.1',
    port,
    password: embeddedPassword(),
    socketPath: `${basename(folder)}.socket`,
  });
  endWithLauncher(async (reason) => {
    if (reason === 'launcher gone') await clientsGone(sessions);
    await sessions.close();
    await db.close();
    release();
  });
  await report({ type: 'ready' });
}

/**
 * A rejection here is not an SQL error (those go to the client) but a database that has stopped
 * working, after which pglite-socket would never answer again. A new process recovers from the log.
 */
function exitOnCrash(db: PGlite): void {
  const execute = db.execProtocolRawStream.bind(db);
  db.execProtocolRawStream = async (message, options) => {
    try {
      return await execute(message, options);
    } catch {
      await report({ type: 'failed', message: 'the embedded Postgres crashed on a statement' });
      process.exit(1);
    }
  };
}

async function clientsGone(sessions: OneSession): Promise<void> {
  const deadline = Date.now() + ORPHAN_DRAIN_MS;
  while (sessions.clients() > 0 && Date.now() < deadline) await sleep(50);
}

const [folder = '', port, lockWaitMs] = process.argv.slice(2);
main(folder, Number(port), Number(lockWaitMs)).catch(async (error: unknown) => {
  await report({ type: 'failed', message: explain(error, folder) });
  process.exit(1);
});

import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { secretMatcher } from '../../src/platform/secrets.ts';
import { admitClient } from './admit-client.ts';

/** PGlite behind a TCP port, one client at a time. */
export interface OneSession {
  /** Clients that are connected or waiting for their turn. */
  clients(): number;
  close(): Promise<void>;
}

export interface SessionOptions {
  host: string;
  port: number;
  /** Of every user; PGlite has but one. */
  password: string;
  /** Where PGlite listens itself, which lets everybody in: in a folder of this user's, and short, as systems want it. */
  socketPath: string;
}

/**
 * Serves PGlite to one client at a time. It is a single session: two clients at once get each
 * other's answers, and pglite-socket turns a second one away, so a pool that replaces its connection
 * would fail now and then. Here a second client waits for its turn, and finds a session without the
 * open transaction, prepared statements and settings of the one before.
 */
export async function serveOneSession(db: PGlite, options: SessionOptions): Promise<OneSession> {
  const { socketPath: path } = options;
  // Left by a process that was killed.
  await rm(path, { force: true });
  const inner = new PGLiteSocketServer({ db, path, maxConnections: 1 });
  await inner.start();
  const matchPassword = secretMatcher([options.password]);
  const sockets = new Set<Socket>();
  let turn: Promise<unknown> = Promise.resolve();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (client) => {
    sockets.add(client);
    client.on('error', () => undefined);
    client.on('close', () => sockets.delete(client));
    // Before its turn: who is not let in must not hold up who is.
    void admitClient(client, (given) => matchPassword(given) !== undefined).then((isIn) => {
      if (isIn) turn = turn.then(() => serveClient(client));
    });
  });

  async function serveClient(client: Socket): Promise<void> {
    if (client.destroyed) return;
    await db.exec('ROLLBACK');
    await db.exec('DISCARD ALL');
    const upstream = connect({ path });
    // Whichever side ends first, both are destroyed.
    await pipeline(client, upstream, client).catch(() => undefined);
    client.destroy();
    while (inner.getStats().activeConnections > 0) await sleep(1);
  }

  await listen(server, options);
  return {
    clients: () => sockets.size,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, turn]);
      await inner.stop();
    },
  };
}

function listen(server: Server, options: SessionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
}

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { superviseServer } from '../../deploy/local/embedded-server.ts';
import { freePorts } from '../../deploy/local/ports.ts';
import { createServerDatabase } from '../support/server-database.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';

/** The database of a run, behind a way that can be cut. */
export interface ChaosDatabase {
  settings: Record<string, string>;
  way: SeverableProxy;
  /** The embedded one, which can be killed and frozen: it comes back by itself. */
  pid?: () => number | undefined;
  /** The other, of which no more can be taken away than the connections, and the right to new ones, for a while. */
  failOver?: (ms: number) => Promise<void>;
  close(): Promise<void>;
}

/** On the Postgres of `TEST_DATABASE_URL` where that is set, else an embedded one. */
export async function openChaosDatabase(): Promise<ChaosDatabase> {
  const server = process.env['TEST_DATABASE_URL'];
  return server === undefined ? openEmbedded() : openOnServer(server);
}

async function openEmbedded(): Promise<ChaosDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'chaos-'));
  const [port = 0] = await freePorts(1);
  const password = randomUUID();
  const postgres = superviseServer(
    { name: 'postgres', port, dataDir, password, env: process.env },
    { onLine: () => undefined, onSpawn: () => undefined, stopTimeoutMs: 10_000 },
  );
  await postgres.firstReady;
  const way = await openSeverableProxy(port);
  return {
    settings: {
      DATABASE_URL: `postgres://postgres:${password}@127.0.0.1:${way.port}/postgres`,
      DATABASE_POOL_SIZE: '1',
    },
    way,
    pid: () => postgres.pid,
    close: async () => {
      way.close();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function openOnServer(server: string): Promise<ChaosDatabase> {
  const database = await createServerDatabase(server);
  const url = new URL(database.url);
  const name = url.pathname.slice(1);
  const way = await openSeverableProxy(Number(url.port || 5432));
  url.host = `127.0.0.1:${way.port}`;
  return {
    settings: { DATABASE_URL: url.href },
    way,
    failOver: async (ms) => {
      const admin = new pg.Client({ connectionString: server });
      await admin.connect();
      await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
      await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
      await setTimeout(ms);
      await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS true`);
      await admin.end();
    },
    close: async () => {
      way.close();
      await database.close();
    },
  };
}

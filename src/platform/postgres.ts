import { AsyncResource } from 'node:async_hooks';
import pg from 'pg';
import { burstLog } from './burst-log.ts';
import type { Logger } from './logger.ts';
import { observePool } from './postgres-gauges.ts';

/** What runs a query: the pool, or the client of an open transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

export interface PostgresOptions {
  url: string;
  /** Connections. 1 for a server that is one session, as PGlite is. */
  poolSize: number;
  logger: Logger;
  /** Statements that every new connection runs first. */
  sessionSettings?: readonly string[];
}

/** Opens a pool and publishes its gauges; connects when first used. */
export function openPostgres(options: PostgresOptions): pg.Pool {
  const settings = options.sessionSettings ?? [];
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    application_name: 'ragbase',
    keepAlive: true,
    // Awaited, unlike the 'connect' event: a connection is handed out with its settings.
    onConnect: async (client: pg.ClientBase) => {
      for (const statement of settings) await client.query(statement);
    },
  });
  // Without listeners, a connection that breaks ends the process. With the server, all break at once.
  const log = burstLog({ logger: options.logger, subject: 'database connection' });
  pool.on('error', (error) => log.failed(error));
  pool.on('connect', (client) => {
    log.recovered();
    // The pool listens while it is idle. While somebody has it, its next query tells of the error.
    client.on('error', () => undefined);
  });
  keepContext(pool);
  observePool(pool);
  return pool;
}

/**
 * What waits for a connection goes on when another gives one back: without this, in the other's
 * trace. (The pg instrumentation does the same, but not without spans of connecting.)
 */
function keepContext(pool: pg.Pool): void {
  const connect = pool.connect.bind(pool) as (callback?: ConnectCallback) => Promise<pg.PoolClient>;
  pool.connect = ((callback?: ConnectCallback) =>
    callback ? connect(AsyncResource.bind(callback)) : connect()) as pg.Pool['connect'];
}

type ConnectCallback = (error: Error | undefined, client: pg.PoolClient | undefined, release: () => void) => void;

/**
 * Runs `work` in one transaction: committed when it resolves, rolled back when it throws.
 * Inside, use the client alone: where the pool has one connection, a pool query would wait for ever.
 */
export async function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { errorType } from './errors.ts';
import type { Logger } from './logger.ts';
import { allowLongStatements } from './postgres.ts';

/** A table of many rows is changed for as long as that takes. */
const MIGRATION_MS = 24 * 60 * 60_000;

/**
 * Brings the schema up to date from numbered plain SQL files, in one transaction and under an
 * advisory lock: a second process waits and then finds nothing to do.
 * @param options.directory folder of `NNNN_name.sql` files.
 * @returns the names of the migrations that were run.
 * @throws Error in words that say what to do, where the database is not fit for the service.
 */
export async function migrate(pool: pg.Pool, options: { directory: string; logger: Logger }): Promise<string[]> {
  const client = await pool.connect();
  const restore = allowLongStatements(client, MIGRATION_MS);
  let lost: Error | undefined;
  // The runner says the loss of its connection in words of its own, in which nobody would know it again.
  client.once('end', () => {
    lost = new Error('Connection terminated during the migrations');
  });
  try {
    await assertFit(client);
    await client.query('SET statement_timeout = 0; SET lock_timeout = 0');
    const quiet = () => undefined;
    const run = await runner({
      dbClient: client,
      dir: options.directory,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      advisoryLockMode: 'wait',
      checkOrder: true,
      // It throws what it says as an error, too.
      logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    });
    for (const { name } of run) options.logger.info('migrated', { migration: name });
    return run.map((migration) => migration.name);
  } catch (error) {
    throw lost ?? error;
  } finally {
    restore();
    // Not to be handed out again: it has no limits.
    client.release(true);
  }
}

interface Fitness {
  encoding: string;
  database: string;
  hasVector: boolean;
  canHaveVector: boolean;
}

async function assertFit(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<Fitness>(
    `SELECT current_setting('server_encoding') AS encoding, current_database() AS database,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') AS "hasVector",
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS "canHaveVector"`,
  );
  const [found] = rows;
  if (!found) return;
  const { encoding, database } = found;
  if (encoding !== 'UTF8')
    throw new Error(
      `The database ${database} is encoded in ${encoding}, which can't hold every text. ` +
        `Make one in UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`,
    );
  if (found.hasVector) return;
  if (!found.canHaveVector) throw new Error('The Postgres server has no extension "vector": install pgvector on it.');
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS vector');
  } catch (cause) {
    if (errorType(cause) !== '42501') throw cause;
    throw new Error(
      `The extension "vector" is not in the database ${database}, and its user may not add it. ` +
        `Run as a superuser, in that database: CREATE EXTENSION vector`,
      { cause },
    );
  }
}

import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import type { Logger } from './logger.ts';

/**
 * Brings the schema up to date from numbered plain SQL files, in one transaction and under an
 * advisory lock: a second process waits and then finds nothing to do.
 * @param options.directory folder of `NNNN_name.sql` files.
 * @returns the names of the migrations that were run.
 */
export async function migrate(pool: pg.Pool, options: { directory: string; logger: Logger }): Promise<string[]> {
  const client = await pool.connect();
  try {
    const quiet = () => undefined;
    const run = await runner({
      dbClient: client,
      dir: options.directory,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      advisoryLockMode: 'wait',
      checkOrder: true,
      logger: {
        debug: quiet,
        info: quiet,
        warn: quiet,
        error: (message) => options.logger.error('migration', { detail: String(message) }),
      },
    });
    return run.map((migration) => migration.name);
  } finally {
    client.release();
  }
}

import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { ensureEmbeddingSpace } from '../../src/embeddings/space.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { openPostgres } from '../../src/platform/postgres.ts';
import { SEARCH_SESSION_SETTINGS } from '../../src/search/session-settings.ts';
import { memoryLogger } from './memory-logger.ts';
import { openPgliteDatabase } from './pglite-database.ts';
import { createServerDatabase } from './server-database.ts';

const MIGRATIONS = fileURLToPath(new URL('../../src/migrations', import.meta.url));

export interface TestDatabase {
  pool: pg.Pool;
  close(): Promise<void>;
}

/**
 * An empty database with the schema of today: on the Postgres of `TEST_DATABASE_URL` where that is
 * set, else on an embedded one.
 * @param options.dimensions width of its vectors.
 */
export async function openTestDatabase(options: { dimensions: number }): Promise<TestDatabase> {
  const server = process.env['TEST_DATABASE_URL'];
  const database = server === undefined ? await openPgliteDatabase() : await createServerDatabase(server);
  const { logger } = memoryLogger();
  const poolSize = server === undefined ? 1 : 5;
  const pool = openPostgres({ url: database.url, poolSize, logger, sessionSettings: SEARCH_SESSION_SETTINGS });
  await migrate(pool, { directory: MIGRATIONS, logger });
  await ensureEmbeddingSpace(pool, { model: 'test', dimensions: options.dimensions });
  return {
    pool,
    close: async () => {
      await pool.end();
      await database.close();
    },
  };
}

import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

/** A Postgres that lives as long as its test. */
export interface TestDatabase {
  /** Connection string. It is one session: `new pg.Pool({ connectionString: url, max: 1 })`, and one pool at a time. */
  url: string;
  /** Runs statements in the session of whoever is connected. */
  execute(statements: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts an empty in-memory PGlite with pgvector behind a socket on a free port of 127.0.0.1; applies no migration. */
export async function openPgliteDatabase(): Promise<TestDatabase> {
  const db = await PGlite.create({ extensions: { vector } });
  // Two, as a pool may connect while the server is still dropping the connection of the one before; two that are
  // in use at once get each other's answers.
  const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: 2 });
  await server.start();
  return {
    url: `postgres://postgres@${server.getServerConn()}/postgres`,
    execute: async (statements) => void (await db.exec(statements)),
    async close() {
      await server.stop();
      await db.close();
    },
  };
}

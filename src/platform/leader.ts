import type pg from 'pg';
import { LONG_STATEMENT_MS, transaction } from './postgres.ts';

/**
 * Runs `work` in one transaction, unless another process is at the same work just now.
 * @param lock any number that nobody else in this database uses as an advisory lock.
 * @returns what `work` returns, or undefined where another was at it.
 */
export function asLeader<T>(
  pool: pg.Pool,
  lock: number,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T | undefined> {
  return transaction(
    pool,
    async (client) => {
      const { rows } = await client.query<{ leader: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS leader', [
        lock,
      ]);
      return rows[0]?.leader ? work(client) : undefined;
    },
    { statementMs: LONG_STATEMENT_MS },
  );
}

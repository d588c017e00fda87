import type pg from 'pg';
import { burstLog } from './burst-log.ts';
import type { Logger } from './logger.ts';
import { postgresProblem } from './postgres-problems.ts';
import { watchRoom } from './postgres-room.ts';

/** Whether the database can do what it is there for: answer, and take what is written. A standby only answers. */
const PROBE = `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS "isReadOnly"`;

const TRY_ROOM_MS = 5_000;

/**
 * @param options.timeoutMs a probe that takes longer has failed, and its connection is thrown away.
 * @returns a probe that never rejects, and tells in the log of what is wrong: a line a burst.
 */
export function databaseProbe(pool: pg.Pool, options: { timeoutMs: number; logger: Logger }): () => Promise<boolean> {
  const log = burstLog({ logger: options.logger, subject: 'database', describe: postgresProblem });
  const room = watchRoom(pool, { timeoutMs: options.timeoutMs, intervalMs: TRY_ROOM_MS });
  return async () => {
    try {
      // pg's types leave the limit out.
      const query: pg.QueryConfig & { query_timeout: number } = { text: PROBE, query_timeout: options.timeoutMs };
      const { rows } = await pool.query<{ isReadOnly: boolean }>(query);
      if (rows[0]?.isReadOnly) throw Object.assign(new Error('read-only'), { code: 'READ_ONLY' });
      if (!(await room.isThere())) throw Object.assign(new Error('disk full'), { code: '53100' });
      log.recovered();
      return true;
    } catch (error) {
      log.failed(error);
      return false;
    }
  };
}

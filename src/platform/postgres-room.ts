import type { EventEmitter } from 'node:events';
import type pg from 'pg';
import { errorType, isDiskFull } from './errors.ts';

/** Whether Postgres has room for what is written. */
export interface Room {
  /** Nobody has been refused for want of room since it was there last. Never rejects. */
  isThere(): Promise<boolean>;
}

/** On a full disk small writes go on for a while, in pages that exist: only a file that grows, by 16 MB here, tells. */
const GROW = `CREATE TEMP TABLE room ON COMMIT DROP AS SELECT repeat('x', 1000) FROM generate_series(1, 16000)`;

/**
 * Listens for statements that are refused because the disk is full, and from then on tries whether it still is.
 * @param options.intervalMs between two tries.
 */
export function watchRoom(pool: pg.Pool, options: { timeoutMs: number; intervalMs: number }): Room {
  let isFull = false;
  let triedAt = Number.NEGATIVE_INFINITY;
  pool.on('connect', (client) => {
    // Where every refusal comes by, whoever sent the statement. pg's types leave it out.
    const { connection } = client as unknown as { connection: EventEmitter };
    connection.on('errorMessage', (message: Error) => {
      isFull ||= isDiskFull(message);
    });
  });
  return {
    async isThere() {
      if (!isFull) return true;
      if (performance.now() - triedAt < options.intervalMs) return false;
      triedAt = performance.now();
      const query: pg.QueryConfig & { query_timeout: number } = { text: GROW, query_timeout: options.timeoutMs };
      const refusal = await pool.query(query).then(
        () => undefined,
        (error: unknown) => error,
      );
      // A user who may make no such table is not told of a full disk for ever.
      isFull = refusal !== undefined && (isDiskFull(refusal) || errorType(refusal) !== '42501');
      return !isFull;
    },
  };
}

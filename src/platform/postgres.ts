import { AsyncResource } from 'node:async_hooks';
import pg from 'pg';
import { burstLog } from './burst-log.ts';
import { toError } from './errors.ts';
import type { Logger } from './logger.ts';
import { observePool } from './postgres-gauges.ts';
import { postgresProblem } from './postgres-problems.ts';
import { chooseTls, connectionOf } from './postgres-tls.ts';

/** What runs a query: the pool, or the client of an open transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

export interface PostgresOptions {
  url: string;
  /** The password of each new connection, instead of the URL's. */
  password?: (() => string) | undefined;
  /** Connections. 1 for a server that is one session, as PGlite is. */
  poolSize: number;
  logger: Logger;
  /** Statements that every new connection runs first. */
  sessionSettings?: readonly string[];
  /** Longest time of a statement, in ms, by the server: 10 s. */
  statementMs?: number;
}

const STATEMENT_MS = 10_000;
/** Of work that is known to take long, such as storing a large document. */
export const LONG_STATEMENT_MS = 5 * 60_000;
/** The server ends a statement itself; where its word does not come in this time after that, the connection is silent. */
const SILENCE_MS = 2_000;

/** Opens a pool and publishes its gauges; connects when first used. */
export function openPostgres(options: PostgresOptions): pg.Pool {
  const { poolSize, statementMs = STATEMENT_MS } = options;
  const settings = [...(options.sessionSettings ?? []), ...limitsOf(statementMs, poolSize)];
  const exchange = watchExchange(options.password);
  const pool = new pg.Pool({
    ...connectionOf(options.url),
    ...(options.password && { password: exchange.read }),
    max: poolSize,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    // A session of PGlite knows no limit of its own, and other sessions wait for its end all the same.
    query_timeout: poolSize === 1 ? LONG_STATEMENT_MS : statementMs + SILENCE_MS,
    application_name: 'ragbase',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // Awaited, unlike the 'connect' event: a connection is handed out with its settings.
    onConnect: async (client: pg.ClientBase) => {
      for (const statement of settings) await client.query(statement);
    },
  });
  // Without listeners, a connection that breaks ends the process. With the server, all break at once.
  const log = burstLog({ logger: options.logger, subject: 'database connection', describe: postgresProblem });
  pool.on('error', (error) => log.failed(error));
  pool.on('connect', (client) => {
    log.recovered();
    // The pool listens while it is idle. While somebody has it, its next query tells of the error.
    client.on('error', () => undefined);
  });
  chooseTls(pool, options.url);
  if (options.password) outlastExchange(pool, exchange);
  replaceSilentConnections(pool);
  observePool(pool);
  return pool;
}

/** Not as start-up parameters, which a connection pooler refuses. */
function limitsOf(statementMs: number, poolSize: number): string[] {
  if (poolSize === 1) return [];
  return [
    `SET statement_timeout = ${statementMs}`,
    `SET lock_timeout = ${statementMs}`,
    `SET idle_in_transaction_session_timeout = 60000`,
    // A statement whose client has left ends within a second; servers before 14 don't know the setting.
    `SELECT set_config(name, '1000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'`,
  ];
}

/** Somebody gives the file and the server the new password, one shortly after the other. */
const EXCHANGE_MS = 10_000;
const EXCHANGE_RETRY_MS = 250;

interface Exchange {
  read(): string;
  /** Whether the password that is read became another just now. */
  isUnderWay(): boolean;
}

function watchExchange(password: (() => string) | undefined): Exchange {
  let last: string | undefined;
  let changedAt = Number.NEGATIVE_INFINITY;
  return {
    read() {
      const current = password?.() ?? '';
      if (last !== undefined && current !== last) changedAt = performance.now();
      last = current;
      return current;
    },
    isUnderWay: () => performance.now() - changedAt < EXCHANGE_MS,
  };
}

/** A password that has just changed, and that the server does not know yet, is tried again. */
function outlastExchange(pool: pg.Pool, exchange: Exchange): void {
  const connect = pool.connect.bind(pool) as (callback: ConnectCallback) => void;
  const connectAgain = (callback: ConnectCallback): void =>
    connect((error, client, release) => {
      const isRefused = (error as { code?: string } | undefined)?.code === '28P01';
      if (isRefused && exchange.isUnderWay()) setTimeout(connectAgain, EXCHANGE_RETRY_MS, callback);
      else callback(error, client, release);
    });
  pool.connect = connectAgain as pg.Pool['connect'];
}

type ConnectCallback = (error: Error | undefined, client: pg.PoolClient | undefined, release: Release) => void;
type Release = (error?: Error | boolean) => void;

/**
 * A host that vanishes leaves connections that say nothing and never end. The first that is noticed makes all that were
 * opened before it suspect: they are not handed out again, or each would cost somebody the same wait.
 *
 * Also, what waits for a connection goes on in its own trace when another gives one back. (The pg instrumentation does
 * that too, but not without spans of connecting.)
 */
function replaceSilentConnections(pool: pg.Pool): void {
  const openedAt = new WeakMap<pg.PoolClient, number>();
  let suspectUntil = Number.NEGATIVE_INFINITY;
  const wasPausedJustNow = watchPauses(pool);
  pool.on('connect', (client) => void openedAt.set(client, performance.now()));
  pool.on('release', (error: unknown) => {
    if (error instanceof Error && isSilence(error) && !wasPausedJustNow()) suspectUntil = performance.now();
  });
  const connect = pool.connect.bind(pool) as (callback: ConnectCallback) => void;
  const connectAnew = (callback: ConnectCallback): void =>
    connect((error, client, release) => {
      if (!client || (openedAt.get(client) ?? 0) > suspectUntil) return callback(error, client, release);
      release(true);
      connectAnew(callback);
    });
  pool.connect = ((callback?: ConnectCallback) => {
    if (callback) return connectAnew(AsyncResource.bind(callback));
    return new Promise((resolve, reject) =>
      connectAnew((error, client) => (client ? resolve(client) : reject(error as Error))),
    );
  }) as pg.Pool['connect'];
}

const BEAT_MS = 500;

/** After a pause of this process, timers run before the answers are read that came meanwhile: nobody was silent. */
function watchPauses(pool: pg.Pool): () => boolean {
  let beatAt = performance.now();
  let pausedAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    const now = performance.now();
    if (pool.ended) clearInterval(timer);
    if (now - beatAt > 3 * BEAT_MS) pausedAt = now;
    beatAt = now;
  }, BEAT_MS).unref();
  return () => performance.now() - Math.max(pausedAt, beatAt) > 3 * BEAT_MS || performance.now() - pausedAt < BEAT_MS;
}

/** pg gives it no code. */
const isSilence = (error: Error): boolean => error.message === 'Query read timeout';

export interface TransactionOptions {
  /** Longest time of each statement, in ms, where it is not the pool's. */
  statementMs?: number;
  /** Ends the transaction when it aborts, with the statement that is running. */
  signal?: AbortSignal;
}

/**
 * Runs `work` in one transaction: committed when it resolves, rolled back when it throws.
 * Inside, use the client alone: where the pool has one connection, a pool query would wait for ever.
 * @throws the signal's reason when it aborts; what `work` throws.
 */
export async function transaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  { statementMs, signal }: TransactionOptions = {},
): Promise<T> {
  signal?.throwIfAborted();
  const client = await pool.connect();
  const restore = statementMs === undefined ? undefined : allowLongStatements(client, statementMs);
  let broken: Error | undefined;
  // Its socket ends, and the server notices: another connection, to cancel it by, may not be had.
  const onAbort = () => internalsOf(client).connection.stream.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await client.query('BEGIN');
    if (statementMs !== undefined)
      await client.query(`SET LOCAL statement_timeout = ${statementMs}; SET LOCAL lock_timeout = ${statementMs}`);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    if (signal?.aborted) {
      broken = toError(signal.reason);
      throw broken;
    }
    if (error instanceof Error && isSilence(error)) broken = error;
    else
      await client.query('ROLLBACK').catch((failure: Error) => {
        broken = failure;
      });
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    restore?.();
    client.release(broken);
  }
}

/** What a client of pg 8 has and its types leave out. */
interface Internals {
  connection: { stream: { destroy(): void } };
  /** Read for each query. */
  connectionParameters: { query_timeout?: number };
}

const internalsOf = (client: pg.PoolClient): Internals => client as unknown as Internals;

/**
 * Lets statements of a client take longer before its connection counts as silent; their limit by the server is another.
 * @returns what takes that back.
 */
export function allowLongStatements(client: pg.PoolClient, statementMs: number): () => void {
  const { connectionParameters: parameters } = internalsOf(client);
  const usual = parameters.query_timeout;
  parameters.query_timeout = Math.max(usual ?? 0, statementMs + SILENCE_MS);
  return () => {
    if (usual === undefined) delete parameters.query_timeout;
    else parameters.query_timeout = usual;
  };
}

import type pg from 'pg';
import { parse, toClientConfig } from 'pg-connection-string';

/** What `sslmode` of a connection URI may be: those of libpq, and one of pg's own that needs no certificate. */
export const TLS_MODES: readonly string[] = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  'no-verify',
];

/**
 * Reads a connection URI as libpq would, which pg alone does not: `require` encrypts and asks for no certificate.
 * @throws Error where a file that it names can't be read.
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
 */
export function connectionOf(url: string): pg.ClientConfig {
  const address = new URL(url);
  const mode = address.searchParams.get('sslmode');
  address.searchParams.delete('uselibpqcompat');
  // pg knows no allow; what is tried first is `chooseTls`'s.
  if (mode === 'allow') address.searchParams.set('sslmode', 'disable');
  const { sslmode: _, ...connection } = toClientConfig(
    parse(address.href, { useLibpqCompat: mode !== 'no-verify' }),
  ) as pg.ClientConfig & { sslmode?: string };
  return connection;
}

/** A server without TLS, and one whose `pg_hba.conf` wants it otherwise. */
const isRefusedAsItIs = (error: Error & { code?: string }): boolean =>
  error.message === 'The server does not support SSL connections' || error.code === '28000';

type ConnectCallback = Parameters<pg.Pool['connect']>[0];

/**
 * With `sslmode` prefer or allow, a connection is tried with TLS or without, and where that is refused the other way.
 * The next ones begin with what was taken last.
 */
export function chooseTls(pool: pg.Pool, url: string): void {
  const mode = new URL(url).searchParams.get('sslmode') ?? '';
  if (!['prefer', 'allow'].includes(mode)) return;
  const options = pool.options as { ssl?: unknown };
  const connect = pool.connect.bind(pool);
  pool.connect = ((callback: ConnectCallback) => {
    const tried = options.ssl;
    connect((error, client, release) => {
      if (!error || !isRefusedAsItIs(error)) return callback(error, client, release);
      // Others that were refused at the same time may have changed it already.
      if (options.ssl === tried) options.ssl = tried ? false : { rejectUnauthorized: false };
      connect(callback);
    });
  }) as pg.Pool['connect'];
}

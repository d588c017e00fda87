import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { isInvalidValue, isUnavailable } from '../../src/platform/errors.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { openPostgres, transaction } from '../../src/platform/postgres.ts';
import { databaseProbe } from '../../src/platform/postgres-probe.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { createServerDatabase } from '../support/server-database.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { until } from '../support/until.ts';

const MIGRATIONS = fileURLToPath(new URL('../../src/migrations', import.meta.url));

describe('a Postgres of its own machine', function suite() {
  this.timeout(60_000);
  let server: string;
  let database: { url: string; close(): Promise<void> };
  let way: SeverableProxy;
  let pool: pg.Pool;
  let memory: ReturnType<typeof memoryLogger>;
  beforeEach(async function prepare() {
    // What is tried here, an embedded Postgres has not: more than one session, limits, encodings, users.
    if (process.env['TEST_DATABASE_URL'] === undefined) return this.skip();
    server = process.env['TEST_DATABASE_URL'];
    database = await createServerDatabase(server);
    const url = new URL(database.url);
    way = await openSeverableProxy(Number(url.port || 5432));
    url.host = `127.0.0.1:${way.port}`;
    memory = memoryLogger();
    pool = openPostgres({ url: url.href, poolSize: 5, logger: memory.logger, statementMs: 1_000 });
  });
  afterEach(async () => {
    if (!database) return;
    way.close();
    await pool.end();
    await database.close();
  });

  const admin = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const running = (text: string) =>
    admin(async (client) => {
      const { rows } = await client.query(
        `SELECT count(*)::int AS count FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()`,
        [`%${text}%`],
      );
      return rows[0].count as number;
    });

  it('replaces all connections that went silent, after the first of them was noticed', async () => {
    const all = () => Promise.allSettled(Array.from({ length: 5 }, () => pool.query('SELECT 1')));
    await Promise.all(Array.from({ length: 5 }, () => pool.query('SELECT pg_sleep(0.1)')));
    assert.equal(pool.totalCount, 5);
    way.lose();
    const first = pool.query('SELECT 1');
    await assert.rejects(first, (error) => isUnavailable(error));
    way.mend();
    const answers = await all();
    assert.deepEqual(answers.map(({ status }) => status), Array(5).fill('fulfilled')); // biome-ignore format: one thought
  });

  it('ends a transaction on a connection that went silent, and does not hand it out again', async () => {
    await assert.rejects(
      transaction(pool, async (client) => {
        await client.query('SELECT 1');
        way.lose();
        await client.query('SELECT 2');
      }),
      (error) => isUnavailable(error),
    );
    way.mend();
    assert.equal((await pool.query('SELECT 3 AS three')).rows[0].three, 3);
  });

  it('ends statements that take too long, and longer ones where they are allowed', async () => {
    await assert.rejects(pool.query('SELECT pg_sleep(5)'), (error) => isUnavailable(error));
    const long = transaction(pool, (client) => client.query('SELECT pg_sleep(1.5)'), { statementMs: 10_000 });
    assert.equal((await long).rowCount, 1);
    await assert.rejects(pool.query('SELECT pg_sleep(5)'), (error) => isUnavailable(error));
  });

  it('ends what runs for somebody who has left', async () => {
    const left = new AbortController();
    const sleeping = transaction(pool, (client) => client.query('SELECT pg_sleep(30)'), {
      signal: left.signal,
      statementMs: 60_000,
    });
    await until(async () => (await running('pg_sleep(30)')) === 1);
    left.abort(new Error('left'));
    await assert.rejects(sleeping, /left/);
    await until(async () => (await running('pg_sleep(30)')) === 0);
    assert.equal((await pool.query('SELECT 1')).rowCount, 1);
    await assert.rejects(
      transaction(pool, () => Promise.reject(new Error('not reached')), { signal: left.signal }),
      /left/,
    );
  });

  it('is not ready while it is read-only, and says so once', async () => {
    const probe = databaseProbe(pool, { timeoutMs: 2_000, logger: memory.logger });
    assert.equal(await probe(), true);
    await pool.query('SET default_transaction_read_only = on');
    assert.deepEqual([await probe(), await probe()], [false, false]);
    const told = memory.lines.filter(({ message }) => message === 'database fails');
    assert.deepEqual(told.map((line) => line['problem']), ['the database is read-only: a standby, or set so']); // biome-ignore format: one thought
    await assert.rejects(pool.query('CREATE TABLE t ()'), (error) => isUnavailable(error));
    await Promise.all(Array.from({ length: 5 }, () => pool.query('SET default_transaction_read_only = off')));
    await until(probe);
  });

  it('is not ready while its disk is full, from the first statement that is refused until a file can grow again', async () => {
    const probe = databaseProbe(pool, { timeoutMs: 2_000, logger: memory.logger });
    assert.equal(await probe(), true);
    // What the server does where there is no room: it refuses whatever makes a file grow.
    await admin((client) =>
      client.query(`
        CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE EVENT TRIGGER full_disk ON ddl_command_end EXECUTE FUNCTION refuse()`),
    );
    assert.equal(await probe(), true);
    await assert.rejects(pool.query('CREATE TABLE grows ()'), (error) => isUnavailable(error));
    assert.deepEqual([await probe(), await probe()], [false, false]);
    const told = memory.lines.filter((line) => line['problem'] === 'the disk of the database is full');
    assert.equal(told.length, 1);
    await admin((client) => client.query('DROP EVENT TRIGGER full_disk; DROP FUNCTION refuse()'));
    await until(probe);
  });

  it('tells what a client sent from what is wrong with the database', async () => {
    for (const value of [
      `'0000-01-01'::timestamptz`,
      `E'\\xff'::text`,
      `'x'::uuid`,
      `99999999999::int`,
      `'a' ~ '['`,
      `'a' LIKE E'\\\\'`,
    ])
      await assert.rejects(pool.query(`SELECT ${value}`), (error) => isInvalidValue(error) && !isUnavailable(error));
    await assert.rejects(pool.query('SELECT 1/0'), (error) => !isInvalidValue(error) && !isUnavailable(error));
  });

  it('is refused, in words, where it can not hold every text', async () => {
    const name = `latin_${randomBytes(6).toString('hex')}`;
    await admin((client) => client.query(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`));
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    const latin = openPostgres({ url: url.href, poolSize: 2, logger: memory.logger });
    try {
      await assert.rejects(migrate(latin, { directory: MIGRATIONS, logger: memory.logger }), /LATIN1.*UTF8/);
    } finally {
      await latin.end();
      await admin((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
    }
  });

  it('is known to be away where it goes in the middle of the migrations', async () => {
    const migrating = migrate(pool, { directory: MIGRATIONS, logger: memory.logger });
    const ended = assert.rejects(migrating, (error) => isUnavailable(error));
    await until(() => pool.totalCount > 0 && pool.idleCount === 0);
    way.cut();
    await ended;
    way.mend();
    await admin((client) => client.query('CREATE EXTENSION IF NOT EXISTS vector'));
    assert.ok((await migrate(pool, { directory: MIGRATIONS, logger: memory.logger })).length > 0);
  });

  it('may be owned by a user who is nothing else; what only others may do is said', async () => {
    const user = `plain_${randomBytes(6).toString('hex')}`;
    const name = new URL(database.url).pathname.slice(1);
    await admin(async (client) => {
      await client.query(`CREATE ROLE ${user} LOGIN PASSWORD 'p'`);
      await client.query(`ALTER DATABASE ${name} OWNER TO ${user}`);
    });
    const url = new URL(database.url);
    url.username = user;
    url.password = 'p';
    const plain = openPostgres({ url: url.href, poolSize: 2, logger: memory.logger });
    const migrated = () => migrate(plain, { directory: MIGRATIONS, logger: memory.logger });
    try {
      await assert.rejects(migrated(), new RegExp(`"vector" is not in the database ${name}.*CREATE EXTENSION vector`));
      await admin((client) => client.query('CREATE EXTENSION vector'));
      assert.ok((await migrated()).length > 0);
      assert.deepEqual(await migrated(), []);
    } finally {
      await plain.end();
      await admin(async (client) => {
        await client.query(`REASSIGN OWNED BY ${user} TO CURRENT_USER`);
        await client.query(`DROP OWNED BY ${user}`);
        await client.query(`ALTER DATABASE ${name} OWNER TO CURRENT_USER`);
        await client.query(`DROP ROLE ${user}`);
      });
    }
  });
});

import assert from 'node:assert/strict';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type pg from 'pg';
import { openPostgres, transaction } from '../../src/platform/postgres.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openPgliteDatabase } from '../support/pglite-database.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { openSeverableProxy } from '../support/severable-proxy.ts';
import { until } from '../support/until.ts';

describe('Postgres pool', function () {
  this.timeout(30_000);
  let database: Awaited<ReturnType<typeof openPgliteDatabase>>;
  let telemetry: RecordedTelemetry;
  let pool: pg.Pool;
  before(async () => {
    database = await openPgliteDatabase();
    telemetry = recordTelemetry();
    pool = openPostgres({ url: database.url, poolSize: 1, logger: memoryLogger().logger });
  });
  after(async () => {
    await pool.end();
    await telemetry.stop();
    await database.close();
  });

  it('goes on in the trace of whoever waits for a connection, not of whoever gives it back', async () => {
    const tracer = trace.getTracer('test');
    const within = (name: string) =>
      tracer.startActiveSpan(name, {}, ROOT_CONTEXT, (span) => {
        const own = span.spanContext().traceId;
        return new Promise<[string, string | undefined]>((resolve, reject) => {
          pool.connect((error, client, release) => {
            if (error || !client) return reject(error);
            const active = trace.getActiveSpan()?.spanContext().traceId;
            client.query('SELECT 1').then(() => {
              release();
              resolve([own, active]);
            }, reject);
          });
        });
      });
    const seen = await Promise.all(['first', 'second', 'third'].map(within));
    for (const [own, active] of seen) assert.equal(active, own);
  });

  it('publishes what its connections do', async () => {
    const points = async () => {
      const names = ['postgres_pool_connections', 'postgres_pool_waiting_requests', 'postgres_pool_max_connections'];
      return (await Promise.all(names.map((name) => telemetry.points(name)))).flat();
    };
    const expected = (used: number, waiting: number) => [
      { labels: { state: 'used' }, value: used },
      { labels: { state: 'idle' }, value: 1 - used },
      { labels: {}, value: waiting },
      { labels: {}, value: 1 },
    ];
    const client = await pool.connect();
    const waiting = pool.query('SELECT 1');
    assert.deepEqual(await points(), expected(1, 1));
    client.release();
    await waiting;
    assert.deepEqual(await points(), expected(0, 0));
  });

  it('outlives a connection that breaks in the middle of a transaction', async () => {
    const way = await openSeverableProxy(Number(new URL(database.url).port));
    const url = new URL(database.url);
    url.port = String(way.port);
    const severed = openPostgres({ url: url.href, poolSize: 1, logger: memoryLogger().logger });
    try {
      await assert.rejects(
        transaction(severed, async (client) => {
          // Not `once` of node:events, which listens for errors too.
          const ended = new Promise((resolve) => client.once('end', resolve));
          way.cut();
          await ended;
          await client.query('SELECT 1');
        }),
        /not queryable|terminated/,
      );
      way.mend();
      await until(async () => (await severed.query('SELECT 1')).rowCount === 1);
    } finally {
      await severed.end();
      way.close();
    }
  });
});

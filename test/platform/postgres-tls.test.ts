import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { openPostgres } from '../../src/platform/postgres.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { openPgliteDatabase } from '../support/pglite-database.ts';

const POSTGRES = fileURLToPath(new URL('../../src/platform/postgres.ts', import.meta.url));

/** Whether the connections of a pool came to be with TLS; several at once, as a service opens them. */
async function tlsOf(url: string, mode: string, poolSize = 4): Promise<unknown[]> {
  const address = new URL(url);
  address.searchParams.set('sslmode', mode);
  const pool = openPostgres({ url: address.href, poolSize, logger: memoryLogger().logger });
  try {
    const clients = await Promise.all(Array.from({ length: poolSize }, () => pool.connect()));
    const used = clients.map((client) => Reflect.get(client, 'connection').stream instanceof TLSSocket);
    for (const client of clients) {
      assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
      client.release();
    }
    return [...new Set(used)];
  } finally {
    await pool.end();
  }
}

describe('sslmode', function suite() {
  this.timeout(60_000);

  it('prefer and allow go on without TLS where the server has none; require does not', async () => {
    const database = await openPgliteDatabase();
    try {
      for (const mode of ['prefer', 'allow', 'disable'])
        assert.deepEqual(await tlsOf(database.url, mode, 1), [false], mode);
      await assert.rejects(tlsOf(database.url, 'require', 1), /does not support SSL/);
    } finally {
      await database.close();
    }
  });

  it('prefer and require encrypt where the server can, whoever signed its certificate; verify-full asks', async function real() {
    const url = process.env['TEST_DATABASE_URL'];
    if (url === undefined) return this.skip();
    for (const mode of ['prefer', 'require', 'no-verify']) assert.deepEqual(await tlsOf(url, mode), [true], mode);
    for (const mode of ['allow', 'disable']) assert.deepEqual(await tlsOf(url, mode), [false], mode);
    await assert.rejects(tlsOf(url, 'verify-full'), /certificate/);
  });

  it('prints nothing beside the log', () => {
    const script = `
      import { openPostgres } from ${JSON.stringify(POSTGRES)};
      for (const mode of ['prefer', 'require', 'allow'])
        await openPostgres({ url: 'postgres://u@127.0.0.1:1/x?sslmode=' + mode, poolSize: 1, logger: {} }).end();`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import redis from 'redis';
import { type Stack, startStack } from '../../deploy/local/stack.ts';
import { openPostgres } from '../../src/platform/postgres.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { temporaryFolder } from './temporary-folder.ts';

const SERVICE = ['test/deploy/stand-in-service.ts'];

describe('the embedded Postgres and Redis', function suite() {
  this.timeout(120_000);

  const warnings: string[] = [];
  async function withStack(work: (stack: Stack, folder: string) => Promise<void>) {
    await using folder = await temporaryFolder();
    const dataDir = join(folder.path, 'data');
    const { DATABASE_URL: _database, REDIS_URL: _redis, ...env } = process.env;
    warnings.length = 0;
    const stack = await startStack({
      dataDir,
      env,
      ports: 'free',
      onLine: ({ text }) => void (/Warning/.test(text) && warnings.push(text)),
      services: { backend: [...SERVICE, 'PORT'], worker: [...SERVICE, 'WORKER_PORT'], usesModel: false },
    });
    try {
      await work(stack, dataDir);
    } finally {
      await stack.stop();
    }
  }

  it('let nobody in without the password, and it is no argument of a process', async () => {
    await withStack(async (stack, folder) => {
      const { password, port } = new URL(stack.databaseUrl);
      assert.ok(password.length >= 32);
      for (const wrong of ['', 'wrong', `${password}x`]) {
        const client = new pg.Client({ host: '127.0.0.1', port: Number(port), user: 'postgres', password: wrong });
        await assert.rejects(client.connect(), { code: '28P01' });
      }
      // Who says nothing, or nothing that is the protocol's, holds nobody up.
      const strangers = ['', 'GET / HTTP/1.1\r\n\r\n', '\0\0\0\x08\x04\xd2\x16\x2f'].map((said) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(said)).on('error', () => undefined);
        return socket;
      });
      const slow = connect(Number(port), '127.0.0.1').on('error', () => undefined);
      for (const byte of '\0\0\0\x64\0\x03\0\0user'.split('')) {
        slow.write(byte);
        await delay(20);
      }
      slow.destroy();
      const owner = new pg.Client(stack.databaseUrl);
      await owner.connect();
      assert.deepEqual((await owner.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
      await owner.end();

      // A password from elsewhere is asked for at each connection: changed while all is running, it is in force.
      let current = 'wrong';
      const url = stack.databaseUrl.replace(`:${password}@`, '@');
      const pool = openPostgres({ url, password: () => current, poolSize: 1, logger: memoryLogger().logger });
      await assert.rejects(pool.query('SELECT 1'), { code: '28P01' });
      current = password;
      await pool.query('SELECT 1');
      // Or the file is ahead of the server, for a moment.
      (await pool.connect()).release(true);
      current = 'not yet in force';
      const answer = pool.query('SELECT 1');
      setTimeout(() => {
        current = password;
      }, 600);
      await answer;
      await pool.end();
      for (const socket of strangers) socket.destroy();
      assert.deepEqual(warnings, []);

      const recorded = JSON.parse(await readFile(join(folder, 'redis.json'), 'utf8')) as {
        port: number;
        password: string;
      };
      assert.equal(recorded.password, password);
      const stranger = redis.createClient({ port: recorded.port, no_ready_check: true });
      await assert.rejects(
        new Promise((resolve, reject) => stranger.get('x', (e, reply) => (e ? reject(e) : resolve(reply)))),
        {
          code: 'NOAUTH',
        },
      );
      stranger.end(false);
      assert.ok(!execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes(password));
    });
  });
});

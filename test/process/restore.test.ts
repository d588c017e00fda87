import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { createServerDatabase } from '../support/server-database.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';

const run = promisify(execFile);
const deploy = join(import.meta.dirname, '../../deploy');
const library = join(import.meta.dirname, '../fixtures/library');

const FILES = ['fog-signal.txt', 'keepers-handbook.md', 'tide-station.html', 'berths.json', 'pilotage-rules.docx'];
const QUERIES = ['what a keeper does in fog', 'who may pilot a ship', 'height of the tide'];

describe('a backup, brought back after the loss of everything', function suite() {
  this.timeout(180_000);
  let database: Awaited<ReturnType<typeof createServerDatabase>> | undefined;
  let folder: string;
  let service: Service | undefined;
  before(async function skipWithoutServer() {
    const server = process.env['TEST_DATABASE_URL'];
    if (server === undefined) {
      process.stdout.write('    skipped: pg_dump needs a real Postgres, in TEST_DATABASE_URL\n');
      return this.skip();
    }
    database = await createServerDatabase(server);
    folder = await mkdtemp(join(tmpdir(), 'ragbase-backups-'));
  });
  after(async () => {
    await service?.stop();
    await database?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('finds the same documents, and the same results, by the scripts that operators run', async () => {
    assert.ok(database);
    const { url } = database;
    service = await startService({ DATABASE_URL: url });
    const ids = await uploadAll(service);
    const before = await everything(service, ids);
    const file = await script('backup.sh', url, folder);
    assert.deepEqual(await readdir(folder), [file.slice(folder.length + 1)]);
    await service.stop();

    await destroy(url);
    assert.equal(await script('restore.sh', url, file), `restored ${file}`);

    // Redis is a new one: the queue was lost too.
    service = await startService({ DATABASE_URL: url });
    assert.deepEqual(await everything(service, ids), before);
    const [again] = FILES;
    assert.ok(again);
    const repeated = (await (
      await service.upload(again, await readFile(join(library, again)))
    ).json()) as ShownDocument;
    assert.deepEqual([repeated.id, repeated.duplicate], [ids[0], true]);
  });

  it('can be brought back by a user who owns the database and nothing else', async () => {
    assert.ok(database);
    const { url } = database;
    const file = await script('backup.sh', url, folder);
    const name = `plain_${randomBytes(6).toString('hex')}`;
    const own = Object.assign(new URL(url), { pathname: `/${name}` });
    await execute(url, `CREATE ROLE ${name} LOGIN PASSWORD 'p'`);
    await execute(url, `CREATE DATABASE ${name} OWNER ${name}`);
    const plain = Object.assign(new URL(own), { username: name, password: 'p' }).href;
    try {
      await assert.rejects(script('restore.sh', plain, file), /run in it as a superuser: CREATE EXTENSION vector/);
      await execute(own.href, 'CREATE EXTENSION vector');
      // The second time over what is there.
      for (let time = 0; time < 2; time += 1) assert.match(await script('restore.sh', plain, file), /^restored /);
      const count = 'SELECT count(*)::int AS documents FROM documents';
      assert.deepEqual(await execute(plain, count), await execute(url, count));
    } finally {
      await execute(url, `DROP DATABASE ${name} WITH (FORCE)`);
      await execute(url, `DROP ROLE ${name}`);
    }
  });
});

async function uploadAll(service: Service): Promise<string[]> {
  const ids: string[] = [];
  for (const name of FILES) {
    const { id } = (await (await service.upload(name, await readFile(join(library, name)))).json()) as ShownDocument;
    assert.equal((await service.settled(id)).status, 'completed', name);
    ids.push(id);
  }
  return ids;
}

/** Whatever a client can see of the documents. */
async function everything(service: Service, ids: string[]): Promise<object> {
  const searches: unknown[] = [];
  for (const query of QUERIES)
    for (const mode of ['hybrid', 'vector', 'keyword']) {
      const response = await service.call('/api/v1/search', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, mode }),
      });
      const { results } = (await response.json()) as { results: unknown[] };
      if (mode !== 'keyword') assert.ok(results.length > 0, query);
      searches.push(results);
    }
  return { documents: await Promise.all(ids.map(service.document)), searches };
}

async function destroy(url: string): Promise<void> {
  await execute(url, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  assert.deepEqual(await execute(url, "SELECT relname FROM pg_class WHERE relname IN ('documents', 'chunks')"), []);
}

async function execute(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

/** @returns what it printed. */
async function script(name: string, url: string, argument: string): Promise<string> {
  const tools = globSync('/usr/lib/postgresql/*/bin').toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const path = [...tools.slice(-1), process.env['PATH']].join(delimiter);
  const { stdout } = await run(join(deploy, name), [argument], {
    env: { ...process.env, PATH: path, DATABASE_URL: url },
  });
  return stdout.trim();
}

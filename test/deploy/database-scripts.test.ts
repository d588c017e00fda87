import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../deploy/local/root.ts';
import { temporaryFolder } from './temporary-folder.ts';

const run = promisify(execFile);

/** Stands in for the programs of Postgres: what they were told, and the password that they would find. */
const PROGRAM = `#!/bin/sh
printf '%s %s\\n' "\${0##*/}" "$*" >>"$LOG"
printf '%s' "\${PGPASSWORD-none}" >"$LOG.password"
echo '1; a table'
`;

describe('deploy/backup.sh and restore.sh, of a Postgres elsewhere', () => {
  async function prepare() {
    const folder = await temporaryFolder();
    const log = join(folder.path, 'log');
    for (const name of ['pg_dump', 'pg_restore', 'psql']) {
      await writeFile(join(folder.path, name), PROGRAM);
      await chmod(join(folder.path, name), 0o755);
    }
    const file = async (name: string, text: string) => {
      await writeFile(join(folder.path, name), text);
      return join(folder.path, name);
    };
    return {
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
      file,
      async script(name: string, env: Record<string, string>) {
        await writeFile(log, '');
        const argument = name === 'backup.sh' ? join(folder.path, 'backups') : await file('dump', '');
        const options = { cwd: ROOT, env: { PATH: `${folder.path}:${process.env['PATH']}`, LOG: log, ...env } };
        const ended = await run('bash', [`deploy/${name}`, argument], options).catch((error) => error);
        const password = await readFile(`${log}.password`, 'utf8').catch(() => '');
        return { status: ended.code ?? 0, said: ended.stderr as string, told: await readFile(log, 'utf8'), password };
      },
    };
  }

  it('show its password in no argument, however it was given', async () => {
    await using given = await prepare();
    const password = 'a:b@c/d?e#%\\é';
    const bare = 'postgres://user@db.example:5433/x?sslmode=require';
    const whole = bare.replace('@', `:${encodeURIComponent(password)}@`);
    const ways = [
      { DATABASE_URL: whole },
      { DATABASE_URL_FILE: await given.file('url', `${whole}\n`) },
      { DATABASE_URL: bare, DATABASE_PASSWORD: password },
      { DATABASE_URL: bare, DATABASE_PASSWORD_FILE: await given.file('password', `${password}\n`) },
    ];
    for (const script of ['backup.sh', 'restore.sh'])
      for (const way of ways) {
        const outcome = await given.script(script, way);
        assert.deepEqual([outcome.status, outcome.said, outcome.password], [0, '', password], script);
        assert.ok(outcome.told.includes(bare) && !outcome.told.includes('a%3Ab'), outcome.told);
      }
  });

  it('leave an address without a password as it is', async () => {
    await using given = await prepare();
    for (const url of ['postgres://db.example/x', 'postgres:///x?host=/run/postgresql', 'postgres://[::1]:5432/x']) {
      const { told, password } = await given.script('backup.sh', { DATABASE_URL: url });
      assert.ok(told.includes(`--dbname=${url}\n`), told);
      assert.equal(password, 'none');
    }
  });

  it('stop where a file is not there, or both are given', async () => {
    await using given = await prepare();
    const url = 'postgres://db.example/x';
    const missing = await given.script('backup.sh', { DATABASE_URL_FILE: '/none' });
    assert.deepEqual([missing.status, missing.told], [1, '']);
    assert.equal(missing.said, "DATABASE_URL_FILE: the file can't be read\n");
    const both = await given.script('restore.sh', { DATABASE_URL: url, DATABASE_URL_FILE: '/none' });
    assert.deepEqual([both.status, both.told], [1, '']);
  });
});

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../deploy/local/root.ts';
import { temporaryFolder } from './temporary-folder.ts';

const run = promisify(execFile);

/** Stands in for Docker and for the time that is waited: writes down what it was told, and the file as it was then. */
const DOCKER = `#!/bin/sh
case "$*" in *resetpass* | *' redis '*) given=$(cat) ;; esac
printf '%s\\n' "$*" >>"$LOG"
grep -E '^(INTERNAL_TOKEN|REDIS_PASSWORD)=' "$ENV_FILE" >>"$LOG.file"
[ -z "\${given:-}" ] || printf '%s\\n' "$given" >>"$LOG.input"
case "$*" in
*"\${FAILS:-nothing}"*) echo 'no space left'; exit 1 ;;
*' redis '*) echo OK ;;
'wait '*) echo "\${STATUS:-0}" ;;
inspect*) echo healthy ;;
*' ps --services') printf 'ai-worker\\nbackend\\nredis-exporter\\n' ;;
*' ps '*) echo one ;;
esac
`;

const BEFORE = `# Kept as it is: API_KEY=none
API_KEY=${'a'.repeat(24)}
INTERNAL_TOKEN=old
POSTGRES_PASSWORD='a b'
DATABASE_URL=
REDIS_PASSWORD=old
REDIS_URL=
EMBEDDING_API_KEY=
LAST='no end of line'`;

describe('deploy/rotate.sh', function suite() {
  this.timeout(60_000);

  async function prepare() {
    const folder = await temporaryFolder();
    const file = join(folder.path, 'settings');
    const log = join(folder.path, 'log');
    await writeFile(file, BEFORE, { mode: 0o600 });
    await mkdir(join(folder.path, 'bin'));
    for (const [name, text] of [
      ['docker', DOCKER],
      ['sleep', '#!/bin/sh\n'],
    ] as const) {
      await writeFile(join(folder.path, 'bin', name), text);
      await chmod(join(folder.path, 'bin', name), 0o755);
    }
    const text = (path: string) => readFile(path, 'utf8').catch(() => '');
    return {
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
      folder: folder.path,
      file,
      async rotate(args: string[], { input = '', ...env }: Record<string, string> = {}) {
        const PATH = `${join(folder.path, 'bin')}:${process.env['PATH']}`;
        const options = { cwd: ROOT, env: { PATH, ENV_FILE: file, LOG: log, ...env }, timeout: 30_000 };
        const started = run('bash', ['deploy/rotate.sh', ...args], options);
        started.child.stdin?.end(input);
        const ended = await started.catch((error) => error);
        return { status: ended.code ?? 0, output: `${ended.stdout}${ended.stderr}` };
      },
      said: async () => (await text(log)).trim().split('\n').filter(Boolean),
      input: () => text(`${log}.input`),
      states: async () => [...new Set((await text(`${log}.file`)).trim().split('\n'))],
      async value(name: string) {
        return new RegExp(`^${name}=(.*)$`, 'm').exec(await text(file))?.[1] ?? '';
      },
    };
  }

  it('writes a new key before the old ones, for the owner alone, and leaves every other line', async () => {
    await using given = await prepare();
    assert.equal((await given.rotate(['API_KEY'])).status, 0);
    const [first, second] = (await given.value('API_KEY')).split(',');
    assert.match(first ?? '', /^[0-9a-f]{64}$/);
    assert.equal(second, 'a'.repeat(24));
    const after = (await readFile(given.file, 'utf8')).replace(`${first},`, '');
    assert.equal(after, `${BEFORE}\n`);
    assert.equal((await stat(given.file)).mode & 0o777, 0o600);
    assert.equal((await given.rotate(['API_KEY', '--finish'])).status, 0);
    assert.equal(await given.value('API_KEY'), first);
  });

  it('takes the internal token through steps in which nobody sends what another does not take', async () => {
    await using given = await prepare();
    await given.rotate(['INTERNAL_TOKEN']);
    const fresh = await given.value('INTERNAL_TOKEN');
    const states = (await given.states()).filter((line) => line.startsWith('INTERNAL'));
    assert.deepEqual(
      states,
      [`old,${fresh}`, `${fresh},old`, fresh].map((value) => `INTERNAL_TOKEN=${value}`),
    );
  });

  it('gives Redis the new password beside the old one before anybody uses it, and takes the old one away last', async () => {
    await using given = await prepare();
    assert.equal((await given.rotate(['REDIS_PASSWORD'])).status, 0);
    const fresh = await given.value('REDIS_PASSWORD');
    assert.deepEqual((await given.input()).trim().split('\n'), [
      `ACL SETUSER default >${fresh}`,
      `ACL SETUSER default resetpass >${fresh}`,
    ]);
    const steps = (await given.said()).map((line) => /force-recreate|restart|exec -T redis/.exec(line)?.[0]);
    assert.deepEqual(steps.filter(Boolean), ['exec -T redis', 'force-recreate', 'restart', 'exec -T redis']);
    assert.ok(!(await given.said()).some((line) => line.includes(fresh)), 'no argument that others could see');
  });

  it('takes the secrets of others from its input, whatever they hold', async () => {
    await using given = await prepare();
    assert.equal((await given.rotate(['EMBEDDING_API_KEY'], { input: 'sk-$1 #"x\n' })).status, 0);
    assert.equal(await given.value('EMBEDDING_API_KEY'), `'sk-$1 #"x'`);
    assert.notEqual((await given.rotate(['EMBEDDING_API_KEY'], { input: '' })).status, 0);
    assert.match((await given.rotate(['EMBEDDING_API_KEY'], { input: "it's\n" })).output, /EMBEDDING_API_KEY: .*quote/);
    assert.equal(await given.value('EMBEDDING_API_KEY'), `'sk-$1 #"x'`);
  });

  it('follows a link to the file, and can be run again after one that was interrupted', async () => {
    await using given = await prepare();
    const link = join(given.folder, 'link');
    await symlink(given.file, link);
    const failed = await given.rotate(['INTERNAL_TOKEN'], { ENV_FILE: link, STATUS: '1' });
    assert.equal(failed.status, 1);
    assert.match(failed.output, /could not be handed out; .* run this again/);
    const [old, lost] = (await given.value('INTERNAL_TOKEN')).split(',');
    assert.equal(old, 'old');
    assert.equal((await given.rotate(['INTERNAL_TOKEN'], { ENV_FILE: link })).status, 0);
    const fresh = await given.value('INTERNAL_TOKEN');
    assert.match(fresh, /^[0-9a-f]{64}$/);
    assert.notEqual(fresh, lost);
  });

  it('changes nothing where it could not do it', async () => {
    await using given = await prepare();
    assert.match((await given.rotate(['REDIS_PASSWORD'], { REDIS_PASSWORD: 'x' })).output, /unset REDIS_PASSWORD/);
    assert.match((await given.rotate(['PORT'])).output, /usage/);
    assert.match((await given.rotate([])).output, /usage/);
    assert.match((await given.rotate(['API_KEY'], { ENV_FILE: 'none' })).output, /none can't be written/);
    assert.match((await given.rotate(['REDIS_PASSWORD'], { FAILS: 'exec -T redis' })).output, /Redis does not take it/);
    assert.equal(await readFile(given.file, 'utf8'), BEFORE);
    await writeFile(given.file, BEFORE.replace('DATABASE_URL=', 'DATABASE_URL=postgres://elsewhere/x'));
    assert.match((await given.rotate(['POSTGRES_PASSWORD'])).output, /DATABASE_URL is set/);
    assert.equal(await given.value('POSTGRES_PASSWORD'), "'a b'");
  });
});

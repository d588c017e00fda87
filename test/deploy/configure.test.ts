import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { ROOT } from '../../deploy/local/root.ts';
import { inspectConfig } from '../../src/config.ts';
import { exampleSettings } from './static-files.ts';
import { temporaryFolder } from './temporary-folder.ts';

const run = promisify(execFile);

interface Outcome {
  status: number;
  output: string;
}

/** Without a terminal, and with nothing of this process's settings. */
async function configure(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const options = { env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 };
  const command = ['deploy/configure.sh', ...args];
  const ended = await run('bash', command, { ...options, cwd: ROOT }).catch((error) => error);
  return { status: ended.code ?? 0, output: ended.stdout + ended.stderr };
}

/** A command of Compose that needs no engine. */
const composeEnv = { ...process.env, DOCKER_HOST: 'tcp://127.0.0.1:1' };
const hasCompose = () => spawnSync('docker', ['compose', 'version'], { env: composeEnv }).status === 0;

/** What Docker Compose reads of a file, for each of the names. */
async function readByCompose(folder: string, file: string, names: readonly string[]): Promise<Record<string, string>> {
  const path = join(folder, 'compose.json');
  const environment = Object.fromEntries(names.map((name) => [name, `\${${name}}`]));
  await writeFile(path, JSON.stringify({ services: { one: { image: 'none', environment } } }));
  const { stdout } = await run('docker', ['compose', '--env-file', file, '-f', path, 'config', '--format', 'json'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], DOCKER_CONFIG: process.env['DOCKER_CONFIG'] },
  });
  const read: Record<string, string> = JSON.parse(stdout).services.one.environment;
  // Printed so that it could be read as a compose file again.
  return Object.fromEntries(Object.entries(read).map(([name, value]) => [name, value.replaceAll('$$', '$')]));
}

const PASSWORDS = [
  'p$ssword',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as it stands
  '${HOME}',
  'a #b',
  'a#b',
  '#first',
  'user@host/path:1%41?x=y&z',
  "it's",
  'say "no"',
  ' both sides ',
  'back\\slash',
  '`tick`',
  '$$',
  'é中',
  '!*;|&<>(){}[]~^',
  "';",
];

describe('deploy/configure.sh', function suite() {
  this.timeout(120_000);

  it('makes a file with secrets of its own, for its owner alone, that can be used', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'new.env');
    const { status, output } = await configure(['--file', file, 'ALERTMANAGER_WEBHOOK_URL=none']);
    assert.equal(status, 0, output);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const values = parseEnv(await readFile(file, 'utf8'));
    const example = exampleSettings();
    assert.deepEqual(Object.keys(values).sort(), Object.keys(example).sort());
    const made = Object.keys(example).filter((name) => example[name] === 'change-me');
    assert.ok(made.length >= 6);
    for (const name of made) assert.match(values[name] ?? '', /^[0-9a-f]{64}$/, name);
    assert.equal(new Set(made.map((name) => values[name])).size, made.length);
    for (const name of Object.keys(example).filter(
      (each) => !made.includes(each) && each !== 'ALERTMANAGER_WEBHOOK_URL',
    ))
      assert.equal(values[name], example[name], name);
    assert.deepEqual(await readdir(folder.path), ['new.env']);
    const shown = made.filter((name) => output.includes(values[name] ?? ''));
    assert.deepEqual(shown, []);
  });

  it('keeps what is there, and adds what is missing', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'old.env');
    const before = "# mine\nREDIS_PASSWORD='a $b #c'\nAPI_KEY=change-me\nPORT=8080\n";
    await writeFile(file, before, { mode: 0o644 });
    const first = await configure(['--file', file], { ALERTMANAGER_WEBHOOK_URL: 'https://hooks.example/x' });
    assert.equal(first.status, 0, first.output);
    const text = await readFile(file, 'utf8');
    const values = parseEnv(text);
    assert.ok(text.startsWith("# mine\nREDIS_PASSWORD='a $b #c'\nAPI_KEY="));
    assert.deepEqual(
      [values['PORT'], values['API_KEY']?.length, values['POSTGRES_PASSWORD']?.length],
      ['8080', 64, 64],
    );
    assert.equal(values['ALERTMANAGER_WEBHOOK_URL'], 'https://hooks.example/x');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const second = await configure(['--file', file]);
    assert.equal(second.status, 0, second.output);
    assert.equal(await readFile(file, 'utf8'), text);
    const other = await configure(['--file', file, 'PORT=9090']);
    assert.deepEqual([other.status, await readFile(file, 'utf8')], [1, text]);
    assert.match(other.output, /^PORT has another value in .*: change it there$/m);
  });

  it('finds all that is wrong at once, by line, and shows no value', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'bad.env');
    const lines = [
      'API_KEY=hush',
      'REDIS_PASSWORD=hush$1',
      'POSTGRES_PASSWORD=hush #1',
      "POSTGRES_MONITOR_PASSWORD='hush",
      'POSTGRES_MONITOR_PASSWORD=change-me',
      'export PORT=hush',
      'PORT: hush',
      'INTERNAL_TOKEN=',
      'GRAFANA_ADMIN_PASSWORD="hush$1"',
      'ALERTMANAGER_WEBHOOK_URL=hush',
      "METRICS_TOKEN='hush hush hush hush hush hush'hush",
      "LOG_LEVEL='hush\\'",
      'CORS_ORIGIN=`hush`',
      'TYPING_ERROR=hush',
      'PUBLISH_ADDRESS=hush',
      'GRAFANA_PORT=hush',
      'ALERTMANAGER_RECEIVER=hush',
    ];
    await writeFile(file, lines.join('\n'), { mode: 0o640 });
    const { status, output } = await configure(['--check', '--file', file]);
    assert.equal(status, 1);
    const found = [...output.matchAll(/^\S+\.env:(\d+): (?:(\w+):)?/gm)].map(([, line, name]) => [Number(line), name]);
    assert.deepEqual(found, [
      [0, undefined],
      [1, 'API_KEY'],
      [2, 'REDIS_PASSWORD'],
      [3, 'POSTGRES_PASSWORD'],
      [4, 'POSTGRES_MONITOR_PASSWORD'],
      [5, 'POSTGRES_MONITOR_PASSWORD'],
      [5, 'POSTGRES_MONITOR_PASSWORD'],
      [6, undefined],
      [7, undefined],
      [8, 'INTERNAL_TOKEN'],
      [9, 'GRAFANA_ADMIN_PASSWORD'],
      [10, 'ALERTMANAGER_WEBHOOK_URL'],
      [11, 'METRICS_TOKEN'],
      [11, 'METRICS_TOKEN'],
      [12, 'LOG_LEVEL'],
      [13, 'CORS_ORIGIN'],
      [15, 'PUBLISH_ADDRESS'],
      [16, 'GRAFANA_PORT'],
      [17, 'ALERTMANAGER_RECEIVER'],
    ]);
    assert.match(output, /14: TYPING_ERROR is no setting/);
    assert.doesNotMatch(output, /hush/);
    assert.equal(await readFile(file, 'utf8'), lines.join('\n'));
  });

  it('refuses by name what a program of the deployment could not read, whatever its quotes', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'one.env');
    const lines = ["POSTGRES_MONITOR_PASSWORD='with space'", "GRAFANA_ADMIN_PASSWORD='$__file{x}'", "API_KEY='é'"];
    await writeFile(file, lines.join('\n'), { mode: 0o600 });
    const { output } = await configure(['--check', '--file', file]);
    const named = [...output.matchAll(/:\d+: (\w+): (?!is missing)/g)].map(([, name]) => name);
    assert.deepEqual(named, ['POSTGRES_MONITOR_PASSWORD', 'GRAFANA_ADMIN_PASSWORD', 'API_KEY', 'API_KEY']);
  });

  it('wants a password inside of a URL encoded, and takes it beside the URL as it is', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'one.env');
    const refused = async (line: string) => {
      await writeFile(file, `${line}\n`, { mode: 0o600 });
      return /:1: (?!.*is missing)/.test((await configure(['--check', '--file', file])).output);
    };
    for (const url of [
      'postgres://u@db:5432/x',
      'postgresql://u:a%23%40b@db/x?sslmode=require',
      'postgres://u:a@b@db/x',
    ])
      assert.equal(await refused(`DATABASE_URL='${url}'`), false, url);
    for (const url of ['postgres://u:a#b@db/x', 'postgres://u:a/b@db/x', 'postgres://u:50%@db/x', 'mysql://u@db/x'])
      assert.equal(await refused(`DATABASE_URL='${url}'`), true, url);
    assert.equal(await refused("DATABASE_PASSWORD='a#/@:?% b'"), false);
    assert.deepEqual(
      [await refused("REDIS_URL='rediss://r:6379/1'"), await refused('REDIS_URL=r:6379')],
      [false, true],
    );
  });

  it('takes for a placeholder whatever the service does', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'one.env');
    for (const value of [
      'ChangeMe-please-0123456789',
      '<password-of-24-characters>',
      'a-placeholder-of-24-characters',
    ]) {
      await writeFile(file, `INTERNAL_TOKEN='${value}'\n`, { mode: 0o600 });
      assert.match((await configure(['--check', '--file', file])).output, /:1: INTERNAL_TOKEN: still holds/, value);
      const { faults } = inspectConfig('worker', { NODE_ENV: 'production', INTERNAL_TOKEN: value });
      assert.match(faults.join(), /INTERNAL_TOKEN still holds the placeholder/, value);
    }
  });

  it('wants each of several keys to be long enough', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'keys.env');
    const long = 'a'.repeat(24);
    const lines = [`API_KEY=${long},hush`, `INTERNAL_TOKEN='hush,${long}'`, `METRICS_TOKEN=${long},b${long}`];
    await writeFile(file, lines.join('\n'), { mode: 0o600 });
    const { output } = await configure(['--check', '--file', file]);
    const short = [...output.matchAll(/(\w+): shorter than 24/g)].map(([, name]) => name);
    assert.deepEqual(short, ['API_KEY', 'INTERNAL_TOKEN']);
  });

  it('names what is missing', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'empty.env');
    await writeFile(file, 'PORT=3000\n', { mode: 0o600 });
    const { status, output } = await configure(['--check', '--file', file]);
    const missing = [...output.matchAll(/(\w+): is missing/g)].map(([, name]) => name);
    const required = Object.keys(exampleSettings()).filter((name) => exampleSettings()[name]?.includes('change-me'));
    assert.deepEqual([status, missing], [1, required]);
    const none = await configure(['--check', '--file', join(folder.path, 'none.env')]);
    assert.deepEqual([none.status, /there is none/.test(none.output)], [1, true]);
  });

  it('says how lines of Windows are mended, in one line, and they can be', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'windows.env');
    await configure(['--file', file, 'ALERTMANAGER_WEBHOOK_URL=none']);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll('\n', '\r\n'));
    const { status, output } = await configure(['--check', '--file', file]);
    assert.equal(status, 1);
    const said = output.match(/: (sed -i \S+ \S+)$/m);
    assert.equal(output.match(/carriage return/g)?.length, 1, output);
    await run('bash', ['-c', said?.[1] ?? 'false']);
    assert.equal(await readFile(file, 'utf8'), text);
  });

  it('warns of what the shell would put in its place', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'one.env');
    await configure(['--file', file, 'ALERTMANAGER_WEBHOOK_URL=none']);
    const { status, output } = await configure(['--check', '--file', file], { PORT: '1' });
    assert.deepEqual([status, /PORT is set otherwise in this shell/.test(output)], [0, true]);
  });

  it('asks what nobody has said, where somebody sits at the terminal', async function needsTerminal() {
    if (process.platform !== 'linux') this.skip();
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'asked.env');
    const input = '\nhttps://hooks.slack.com/services/x\n';
    spawnSync('script', ['-qec', `bash deploy/configure.sh --file ${file}`, '/dev/null'], { cwd: ROOT, input });
    const values = parseEnv(await readFile(file, 'utf8'));
    assert.deepEqual(
      [values['PUBLISH_ADDRESS'], values['ALERTMANAGER_WEBHOOK_URL']],
      ['0.0.0.0', 'https://hooks.slack.com/services/x'],
    );
  });

  it('refuses what it does not know, and what can be written in no way', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'one.env');
    assert.equal((await configure(['--chekc'])).status, 2);
    for (const password of ['a\nb', `'"`, `a'$b`, 'end\\']) {
      const { status, output } = await configure(['--file', file, `REDIS_PASSWORD=${password}`]);
      assert.deepEqual([status, /^REDIS_PASSWORD: can't be written/m.test(output)], [1, true], password);
      assert.deepEqual(await readdir(folder.path), []);
    }
  });

  it('writes any other value so that Docker Compose and Node read it as it is', async function needsCompose() {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'any.env');
    const pairs = PASSWORDS.map((value, index) => [`VALUE_${index}`, value] as const);
    const args = pairs.map(([name, value]) => `${name}=${value}`);
    const { status, output } = await configure(['--file', file, 'ALERTMANAGER_WEBHOOK_URL=none', ...args]);
    assert.equal(status, 0, output);
    const values = parseEnv(await readFile(file, 'utf8'));
    for (const [name, value] of pairs) assert.equal(values[name], value);
    if (!hasCompose()) this.skip();
    const read = await readByCompose(folder.path, file, Object.keys(values));
    assert.deepEqual(read, { ...values });
  });

  it('lets through what Docker Compose reads as it stands, and nothing else', async function needsCompose() {
    if (!hasCompose()) this.skip();
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'line.env');
    const lines = {
      "'a $b #c'": 'a $b #c',
      '"a #b"': 'a #b',
      "'a' # why": 'a',
      '  a b  ': 'a b',
      "it's": "it's",
      'a\\b': 'a\\b',
      'a=b': 'a=b',
    };
    for (const [written, meant] of Object.entries(lines)) {
      await writeFile(file, `X=${written}\n`, { mode: 0o600 });
      assert.doesNotMatch((await configure(['--check', '--file', file])).output, /:1: X:/, written);
      assert.deepEqual(await readByCompose(folder.path, file, ['X']), { X: meant });
    }
    for (const written of ['a$b', 'a #b', '"a$b"', "'a\\'", "'a'b", '"a\\nb"']) {
      await writeFile(file, `X=${written}\n`, { mode: 0o600 });
      assert.match((await configure(['--check', '--file', file])).output, /:1: X:/, written);
      const meant = written.replace(/^(['"])(.*)\1$/, '$2');
      const read = await readByCompose(folder.path, file, ['X']).catch(() => ({ X: 'refused' }));
      assert.notEqual(read['X'], meant, written);
    }
  });
});

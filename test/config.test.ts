import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ConfigError,
  databasePassword,
  metricsAccess,
  type Name,
  readConfig,
  redisUrl,
  SECRETS,
} from '../src/config.ts';

const backend = {
  DATABASE_URL: 'postgres://user:secret@db:5432/ragbase',
  REDIS_URL: 'redis://redis:6379',
  API_KEY: 'key',
  INTERNAL_TOKEN: 'token',
};
const worker = { REDIS_URL: 'redis://redis:6379', INTERNAL_TOKEN: 'token', CALLBACK_URL: 'http://backend:9464' };
const faultsOf = (env: NodeJS.ProcessEnv, role: 'backend' | 'worker' = 'backend'): string => {
  try {
    readConfig(role, env);
    return '';
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
};

describe('config', () => {
  it('has the documented defaults', () => {
    const config = readConfig('backend', backend);
    assert.equal(config.PORT, 3000);
    assert.equal(config.RATE_LIMIT_MAX, 100);
    assert.equal(config.RATE_LIMIT_WINDOW, 60_000);
    assert.equal(config.MAX_FILE_SIZE_MB, 50);
    assert.equal(config.TRUST_PROXY, false);
  });

  it('needs no database in the worker, and no worker in the backend', () => {
    assert.equal(faultsOf(worker, 'worker'), '');
    assert.equal('DATABASE_URL' in readConfig('worker', { ...backend, ...worker }), false);
  });

  it('names every fault in one message', () => {
    const message = faultsOf({
      PORT: 'eighty',
      RATE_LIMIT_WINDOW: 'soon',
      OCR_ENABLED: 'perhaps',
      REDIS_URL: 'http://x',
    });
    for (const name of [
      'PORT',
      'RATE_LIMIT_WINDOW',
      'OCR_ENABLED',
      'REDIS_URL',
      'DATABASE_URL',
      'API_KEY',
      'INTERNAL_TOKEN',
    ])
      assert.match(message, new RegExp(`^  - ${name}\\b`, 'm'));
  });

  it('tells no secret in a fault', () => {
    assert.doesNotMatch(faultsOf({ ...backend, DATABASE_URL: 'mysql://user:hush@db' }), /hush/);
  });

  it('takes every sslmode of libpq, and refuses what it does not know', () => {
    const faults = (query: string) => faultsOf({ ...backend, DATABASE_URL: `postgres://u:p@db/x?${query}` });
    for (const mode of ['disable', 'allow', 'prefer', 'require', 'verify-full', 'no-verify'])
      assert.equal(faults(`sslmode=${mode}`), '', mode);
    assert.match(faults('sslmode=preferred'), /DATABASE_URL: .*one of .*prefer/);
    assert.match(faults('sslmode=verify-ca'), /DATABASE_URL: .*sslrootcert/);
    assert.equal(faults('sslmode=verify-ca&sslrootcert=/etc/ca.pem'), '');
  });

  it('takes any password that is percent-encoded, and says how where one is not', () => {
    for (const name of ['DATABASE_URL', 'REDIS_URL'] as const) {
      const faults = (password: string) =>
        faultsOf({ ...backend, [name]: `${name === 'REDIS_URL' ? 'redis' : 'postgres'}://user:${password}@db:5432/1` });
      for (const password of ['plain', encodeURIComponent('#/@:?% é&='), 'two@signs'])
        assert.equal(faults(password), '');
      for (const password of ['12#hush', '12/hush', '12?hush', 'p#hush', '%zzhush', '50%hush']) {
        assert.match(faults(password), new RegExp(`^  - ${name}: .*percent-encoded`, 'm'), password);
        assert.doesNotMatch(faults(password), /hush/);
      }
    }
  });

  it('puts a password of its own into a URL that has none', () => {
    const read = (env: object) => readConfig('backend', { ...backend, ...env });
    const password = 'a#/@:?%$é';
    const { REDIS_URL } = read({ REDIS_PASSWORD: password });
    assert.equal(decodeURIComponent(new URL(REDIS_URL).password), password);
    const url = new URL(read({ DATABASE_URL: 'postgres://user@db/x', DATABASE_PASSWORD: password }).DATABASE_URL);
    assert.deepEqual([url.username, decodeURIComponent(url.password), url.host], ['user', password, 'db']);
    assert.equal(read({ DATABASE_PASSWORD: password }).DATABASE_URL, backend.DATABASE_URL);
  });

  describe('a setting in a file', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'config-'));
    });
    after(() => rm(folder, { recursive: true }));
    const file = async (text: string) => {
      const path = join(folder, randomUUID());
      await writeFile(path, text);
      return path;
    };
    const without = (name: keyof typeof backend) => ({ ...backend, [name]: undefined });
    const SECRET: Partial<Record<Name, string>> = {
      DATABASE_URL: 'postgres://user:hush@db:5432/x',
      REDIS_URL: 'redis://:hush@redis:6379',
      ALERT_WEBHOOK_URL: 'https://hooks.example/hush',
    };

    it('may be any of the secrets: the value without the end of its line', async () => {
      for (const name of SECRETS) {
        const value = SECRET[name] ?? 'hush';
        const expected = readConfig('backend', { ...backend, [name]: value });
        for (const end of ['', '\n', '\r\n']) {
          const env = { ...backend, [name]: '', [`${name}_FILE`]: await file(value + end) };
          assert.deepEqual(readConfig('backend', env), expected, name);
        }
      }
    });

    it('keeps the spaces of a password', async () => {
      const DATABASE_PASSWORD_FILE = await file(' a b \n');
      const { DATABASE_PASSWORD } = readConfig('backend', { ...backend, DATABASE_PASSWORD_FILE });
      assert.equal(DATABASE_PASSWORD, ' a b ');
    });

    it('holds several keys by commas or by lines', async () => {
      for (const name of ['API_KEY', 'INTERNAL_TOKEN', 'METRICS_TOKEN'] as const)
        for (const text of ['one,two', 'one\ntwo\n', 'one,\r\n\r\ntwo\r\n']) {
          const env = { ...backend, [name]: undefined, [`${name}_FILE`]: await file(text) };
          assert.deepEqual(readConfig('backend', env)[name], ['one', 'two'], name);
        }
    });

    it('is no file where the variable is empty', () => {
      assert.deepEqual(readConfig('backend', { ...backend, API_KEY_FILE: '' }).API_KEY, ['key']);
      assert.match(faultsOf({ ...without('API_KEY'), API_KEY_FILE: '' }), /- API_KEY is missing/);
    });

    it('is refused in one line that names the variable and never what it holds, with all other faults', async () => {
      const lines = faultsOf({
        PORT: 'eighty',
        API_KEY_FILE: join(folder, 'none'),
        INTERNAL_TOKEN_FILE: folder,
        DATABASE_URL_FILE: await file('\n'),
        REDIS_URL_FILE: await file('http://hush'),
        METRICS_TOKEN: 'hush',
        METRICS_TOKEN_FILE: await file('hush'),
        EMBEDDING_API_KEY_FILE: await file('two hush'),
      }).split('\n');
      const faults = new Map(lines.slice(1).map((line) => [/\w+/.exec(line)?.[0], line]));
      assert.deepEqual(
        [...faults.keys()].sort(),
        ['API_KEY_FILE', 'DATABASE_URL_FILE', 'EMBEDDING_API_KEY_FILE', 'INTERNAL_TOKEN_FILE'].concat([
          ...['METRICS_TOKEN', 'PORT', 'REDIS_URL_FILE'],
        ]),
      );
      assert.equal(lines.length, 1 + faults.size);
      assert.match(faults.get('API_KEY_FILE') ?? '', /can't be read \(ENOENT\)$/);
      assert.match(faults.get('INTERNAL_TOKEN_FILE') ?? '', /can't be read \(EISDIR\)$/);
      assert.match(faults.get('DATABASE_URL_FILE') ?? '', /is empty$/);
      assert.match(faults.get('METRICS_TOKEN') ?? '', /METRICS_TOKEN and METRICS_TOKEN_FILE are both set; keep one$/);
      assert.doesNotMatch(lines.join('\n'), /hush|config-/);
    });

    it('may be empty where the setting is optional', async () => {
      assert.equal(readConfig('backend', { ...backend, METRICS_TOKEN_FILE: await file('') }).METRICS_TOKEN, undefined);
    });

    it('is asked for at each connection, if it is the password of a URL that has none', async () => {
      const path = await file('first');
      const env = { DATABASE_URL: 'postgres://user@db/x', DATABASE_PASSWORD_FILE: path, REDIS_PASSWORD_FILE: path };
      const password = databasePassword(env);
      const redis = redisUrl({ REDIS_URL: 'redis://:first@redis' }, { ...env, REDIS_URL: 'redis://redis' });
      await writeFile(path, 'second#\n');
      assert.ok(password && typeof redis === 'function');
      assert.deepEqual([password(), redis()], ['second#', 'redis://:second%23@redis']);
      assert.equal(databasePassword({ ...env, DATABASE_URL: 'postgres://user:own@db/x' }), undefined);
      assert.equal(
        redisUrl({ REDIS_URL: 'redis://:own@r' }, { ...env, REDIS_URL: 'redis://:own@r' }),
        'redis://:own@r',
      );
    });
  });

  it('asks for what the chosen provider needs', () => {
    assert.match(faultsOf({ ...backend, EMBEDDING_PROVIDER: 'openai' }), /EMBEDDING_BASE_URL.*\n.*EMBEDDING_MODEL/);
  });

  it('takes proxies by number or by address, and never all addresses', () => {
    const trust = (TRUST_PROXY: string) => readConfig('backend', { ...backend, TRUST_PROXY }).TRUST_PROXY;
    assert.deepEqual(['', 'false', '2'].map(trust), [false, false, 2]);
    for (const text of ['loopback', '10.0.0.0/8, 2001:db8::/32', '::1']) assert.equal(trust(text), text);
    for (const TRUST_PROXY of ['true', '0.0.0.0/0', '::/0', '10.0.0.0/33', 'proxy.local', '-1', '10.0.0.0/8,'])
      assert.match(faultsOf({ ...backend, TRUST_PROXY }), /TRUST_PROXY/, TRUST_PROXY);
  });

  it('takes origins as browsers send them', () => {
    const allow = (CORS_ORIGIN: string) => readConfig('backend', { ...backend, CORS_ORIGIN }).CORS_ORIGIN;
    assert.deepEqual(allow('https://a.example, http://localhost:8080'), ['https://a.example', 'http://localhost:8080']);
    assert.deepEqual(allow('*'), ['*']);
    for (const CORS_ORIGIN of ['https://a.example/', 'a.example', '*,https://a.example', 'null', 'file:///x'])
      assert.match(faultsOf({ ...backend, CORS_ORIGIN }), /CORS_ORIGIN/, CORS_ORIGIN);
  });

  it('refuses keys that no header can carry', () => {
    for (const API_KEY of [',', 'two words', 'schlüssel']) assert.match(faultsOf({ ...backend, API_KEY }), /API_KEY/);
  });

  it('refuses durations that no timer can wait', () => {
    for (const RATE_LIMIT_WINDOW of ['10ms', '30 days', '1e99'])
      assert.match(faultsOf({ ...backend, RATE_LIMIT_WINDOW }), /RATE_LIMIT_WINDOW/, RATE_LIMIT_WINDOW);
  });

  it('refuses placeholders and short secrets in production alone', () => {
    assert.equal(faultsOf({ ...backend, API_KEY: 'change-me' }), '');
    const message = faultsOf({ ...backend, NODE_ENV: 'production', API_KEY: 'change-me' });
    assert.match(message, /API_KEY still holds the placeholder/);
    assert.match(message, /INTERNAL_TOKEN is shorter/);
  });

  it('hides the series on the public port in production', () => {
    const strong = 'a'.repeat(32);
    const production = { ...backend, NODE_ENV: 'production', API_KEY: strong, INTERNAL_TOKEN: strong };
    assert.equal(metricsAccess(readConfig('backend', backend)), 'open');
    assert.equal(metricsAccess(readConfig('backend', production)), 'hidden');
    assert.equal(metricsAccess(readConfig('backend', { ...production, METRICS_TOKEN: strong })), 'token');
  });
});

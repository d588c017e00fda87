import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWebhookServer, type WebhookServer } from '../alerting/webhook-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const OLD = 'an-api-key-that-was-known-until-now';
const NEW = 'an-api-key-that-is-known-from-now-on';

describe('the door of the service', function suite() {
  this.timeout(180_000);
  let service: Service;
  let hook: WebhookServer;
  let folder: string;
  let keyFile: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'door-'));
    keyFile = join(folder, 'keys');
    await writeFile(keyFile, `${OLD}\n`);
    hook = await openWebhookServer();
    service = await startService({
      API_KEY_FILE: keyFile,
      ALERT_WEBHOOK_URL: hook.url,
      ALERT_THRESHOLD: '2',
      CORS_ORIGIN: 'https://app.example.com',
      MAX_CONCURRENT_UPLOADS: '2',
    });
  });
  after(async () => {
    await service?.stop();
    await hook?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const url = (path: string) => new URL(path, service.stack.apiUrl);
  const statusWith = async (key: string) =>
    (await fetch(url('/api/v1/stats'), { headers: { 'x-api-key': key } })).status;

  /** Waits by the log: trying a key until it is known would be guessing. */
  async function replaceKeys(keys: string, message: string): Promise<void> {
    const told = () => service.lines.filter((line) => line.includes(message)).length;
    const before = told();
    await writeFile(keyFile, keys);
    await until(() => told() > before);
  }

  it('answers every address and method in one shape', async () => {
    for (const [method, path, status, code, allow] of [
      ['GET', '/nothing', 404, 'NOT_FOUND'],
      ['GET', '/api/v1/nothing', 404, 'NOT_FOUND'],
      ['GET', '/docs/nothing', 404, 'NOT_FOUND'],
      ['POST', '/health', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD, OPTIONS'],
      ['DELETE', '/docs', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD, OPTIONS'],
      ['PUT', '/openapi.json', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD, OPTIONS'],
      ['PATCH', '/api/v1/documents', 405, 'METHOD_NOT_ALLOWED', 'POST, GET, HEAD, OPTIONS'],
      ['GET', '/api/v1/search', 405, 'METHOD_NOT_ALLOWED', 'POST, OPTIONS'],
    ] as const) {
      const response = await service.call(path, { method });
      const body = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([response.status, body['error']], [status, code], `${method} ${path}`);
      assert.equal(response.headers.get('allow'), allow ?? null);
      assert.equal(body['requestId'], response.headers.get('x-request-id'));
      assert.equal(body['traceId'] ?? null, response.headers.get('x-trace-id'));
    }
  });

  it('sends headers that keep browsers out of trouble', async () => {
    for (const path of ['/health', '/docs', '/api/v1/stats', '/nothing']) {
      const { headers } = await service.call(path);
      assert.equal(headers.get('x-powered-by'), null);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      const policy = headers.get('content-security-policy') ?? '';
      assert.match(policy, /script-src 'self';/);
      assert.doesNotMatch(policy, /script-src[^;]*unsafe/);
    }
    assert.equal((await service.call('/api/v1/stats')).headers.get('cache-control'), 'no-store');
  });

  it('lets pages of one origin in, and never with credentials', async () => {
    const preflight = (origin: string) =>
      fetch(url('/api/v1/documents'), {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const known = await preflight('https://app.example.com');
    assert.equal(known.headers.get('access-control-allow-origin'), 'https://app.example.com');
    assert.equal(known.headers.get('access-control-allow-credentials'), null);
    for (const origin of ['https://evil.example.com', 'null', 'https://app.example.com.evil.com'])
      assert.equal((await preflight(origin)).headers.get('access-control-allow-origin'), null);
  });

  it('describes every error that there is, with an example', async () => {
    const document = (await (await service.call('/openapi.json')).json()) as {
      components: {
        responses: Record<
          string,
          { content: Record<string, { examples: Record<string, { value: { message: string } }> }> }
        >;
      };
    };
    for (const [code, { content }] of Object.entries(document.components.responses))
      assert.ok(content['application/json']?.examples[code]?.value.message, code);
    assert.ok(Object.keys(document.components.responses).length >= 14);
  });

  it('turns uploads away that are too many at a time, and says so', async () => {
    const text = randomUUID().repeat(30_000);
    const responses = await Promise.all(
      Array.from({ length: 12 }, (_, index) => service.upload(`${index}.txt`, text + index)),
    );
    const refused = responses.filter((response) => response.status === 429);
    assert.ok(refused.length > 0);
    assert.equal(refused[0]?.headers.get('retry-after'), '2');
    const [error] = await Promise.all(refused.map((response) => response.json() as Promise<{ error: string }>));
    assert.equal(error?.error, 'QUEUE_FULL');
    // Thousands of chunks, that the next tests would wait for.
    for (const response of responses.filter((other) => other.status === 202))
      await service.call(response.headers.get('location') ?? '', { method: 'DELETE' });
    assert.equal((await service.upload('later.txt', randomUUID())).status, 202, 'their places are free again');
  });

  it('tells a webhook of documents that fail, without a word of them', async () => {
    for (const secret of ['first', 'second']) {
      const upload = await service.upload(`${secret}-name.json`, `{"${secret}-content": [1, 2`);
      const done = await service.settled(((await upload.json()) as ShownDocument).id);
      assert.equal(done.error?.code, 'CORRUPT_FILE');
    }
    await until(() => hook.received.length > 0);
    const [alert] = hook.received;
    assert.match(
      String(alert?.['text']),
      /^\[ragbase error\] document failed: CORRUPT_FILE, 2 times within an hour, trace [0-9a-f]{32}$/,
    );
    assert.doesNotMatch(JSON.stringify(hook.received), /content|-name|an-api-key/);
    await until(async () =>
      /^alerts_sent_total\{outcome="sent"\} 1$/m.test(await (await fetch(service.stack.metricsUrl)).text()),
    );
  });

  it('takes what the ai-worker reports, from nobody else', async () => {
    const report = new URL('/internal/alerts', service.stack.metricsUrl);
    assert.equal((await fetch(report, { method: 'POST' })).status, 401);
  });

  // The last: afterwards, the key of the other tests is not known any more.
  it('takes new keys without a restart, and keeps those it has where the new are none', async () => {
    assert.deepEqual([await statusWith(OLD), await statusWith(NEW)], [200, 401]);
    await replaceKeys(`${OLD},${NEW}\n`, 'keys read again');
    assert.deepEqual([await statusWith(OLD), await statusWith(NEW)], [200, 200]);
    await replaceKeys('\n', 'the new keys are not usable');
    assert.deepEqual([await statusWith(OLD), await statusWith(NEW)], [200, 200]);
    await replaceKeys(`${NEW}\n`, 'keys read again');
    assert.deepEqual([await statusWith(OLD), await statusWith(NEW)], [401, 200]);
    assert.ok(!service.lines.some((line) => line.includes(OLD) || line.includes(NEW)), 'no key in a log');
  });
});

describe('the settings', function suite() {
  this.timeout(60_000);
  const run = (script: string, env: Record<string, string>) =>
    new Promise<{ status: number; output: string; errors: string }>((resolve) => {
      const options = { env: { PATH: process.env['PATH'] ?? '', ...env } };
      execFile(process.execPath, [script], options, (error, output, errors) =>
        resolve({ status: Number(error?.code ?? 0), output, errors }),
      );
    });

  it('are printed as they are in force, and no secret', async () => {
    const { status, output } = await run('src/show-config.ts', {
      DATABASE_URL: 'postgres://user:hush-hush@db:5432/x',
      API_KEY: 'hush-key',
      ALERT_WEBHOOK_URL: 'https://hooks.example.com/services/hush-path',
      RATE_LIMIT_MAX: '7',
    });
    assert.equal(status, 0);
    assert.match(output, /RATE_LIMIT_MAX +environment 7\n/);
    assert.match(output, /DATABASE_URL +environment postgres:\/\/db:5432\/\*+ \(fingerprint [0-9a-f]{8}\)/);
    assert.match(output, /INTERNAL_TOKEN +default +made by npm start/);
    assert.doesNotMatch(output, /hush/);
  });

  it('stop a process in production with all that is wrong, in one message', async () => {
    const env = {
      NODE_ENV: 'production',
      API_KEY: 'change-me',
      INTERNAL_TOKEN: 'short',
      PORT: 'x',
      TRUST_PROXY: '0.0.0.0/0',
      CORS_ORIGIN: '*,https://a.example',
    };
    for (const script of ['src/show-config.ts', 'src/server.ts']) {
      const { status, errors } = await run(script, { ...env, OTEL_SDK_DISABLED: 'true' });
      assert.equal(status, 1);
      for (const name of [
        'API_KEY',
        'INTERNAL_TOKEN',
        'PORT',
        'TRUST_PROXY',
        'CORS_ORIGIN',
        'DATABASE_URL',
        'REDIS_URL',
      ])
        assert.match(
          script === 'src/server.ts' ? JSON.parse(errors).message : errors,
          new RegExp(`^  - ${name}\\b`, 'm'),
        );
    }
  });

  it('can be tried by an alert', async () => {
    const hook = await openWebhookServer();
    const sent = await run('src/alert-test.ts', { ALERT_WEBHOOK_URL: hook.url });
    assert.equal(sent.status, 0);
    assert.match(String(hook.received[0]?.['text']), /Nothing is wrong/);
    await hook.close();
    const unset = await run('src/alert-test.ts', {});
    assert.deepEqual([unset.status, unset.errors], [1, 'ALERT_WEBHOOK_URL is not set: there is nobody to tell.\n']);
  });
});

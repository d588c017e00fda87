import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT } from '../../deploy/local/root.ts';
import { type Service, startService } from '../support/service.ts';
import { filledSettings } from './compose-environment.ts';
import { composeModel } from './compose-model.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Nobody listens there: no Docker. */
const NO_DOCKER = { DOCKER_HOST: 'tcp://127.0.0.1:1' };

/** What Docker would answer, from files that a test writes. */
const STAND_IN = `#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
  version*) echo 28.0.0 ;;
  info*) pwd ;;
  *' version --short') echo 2.40.0 ;;
  *' config --format json') cat config.json ;;
  *' ps --all --format json') cat ps.json ;;
  *' ps --quiet') echo one ;;
  'inspect one') cat inspect.json ;;
  *' exec -T ai-worker '*) cat reached.json ;;
  *' exec -T postgres '*) cat superuser.txt ;;
  *' exec -T alertmanager '*) echo '[{"receivers":[{"name":"webhook"}]}]' ;;
  *Watchdog%22*firing* | *query=up) echo '{"data":{"result":[{"metric":{"job":"backend"}}]}}' ;;
  *' exec -T prometheus '*) echo '{"data":{"result":[]}}' ;;
  *) exit 1 ;;
esac
`;

const AT = { service: 'redis', host: '10.0.0.2' };
const REDIS = {
  Config: { Labels: { 'com.docker.compose.service': AT.service }, ExposedPorts: { '6379/tcp': {} } },
  NetworkSettings: { Networks: { work: { IPAddress: AT.host, Gateway: '' } } },
};

async function preflight(args: string[], env: NodeJS.ProcessEnv = NO_DOCKER) {
  const child = spawn(process.execPath, ['deploy/preflight.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { status: status as number, output: stdout + stderr };
}

describe('npm run preflight', function suite() {
  this.timeout(180_000);
  let service: Service;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => {
    folder = await temporaryFolder();
    service = await startService({ NODE_ENV: 'production' });
  });
  after(async () => {
    await service?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  /** Against the service, with the settings of the example and those that are given. */
  async function run(changed: Record<string, string>, args: string[] = [], env?: NodeJS.ProcessEnv) {
    const envFile = join(folder.path, 'production.env');
    const settings = { ...filledSettings(), API_KEY: service.stack.apiKey, ...changed };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(envFile, lines.join(''), { mode: 0o600 });
    return preflight(['--settings', envFile, '--backups', folder.path, '--url', service.stack.apiUrl, ...args], env);
  }

  it('passes a service that is in order, and leaves nothing behind', async () => {
    const { status, output } = await run({});
    assert.equal(status, 0, output);
    assert.match(output, /ok +\/api\/v1\/stats without a key: 401/);
    assert.match(output, /ok +\/metrics on the public port: 404/);
    assert.match(output, /ok +a document is searchable after \d+\.\d s/);
    assert.match(output, /ok +it is found within \d+ ms/);
    assert.match(output, /skipped +prometheus: no docker/);
    assert.match(output, /warn +there is no backup/);
    assert.match(output, /\d+ ok, \d+ to look at, 0 failed, \d+ skipped/);
    const listed = await (await service.call('/api/v1/documents?collection=preflight')).json();
    assert.deepEqual(listed, { items: [], nextCursor: null });
  });

  it('fails where a placeholder is left, or the key is another', async () => {
    const placeholder = await run({ REDIS_PASSWORD: 'change-me' });
    assert.equal(placeholder.status, 1);
    assert.match(placeholder.output, /FAIL +line \d+: REDIS_PASSWORD: still holds its placeholder\n +→ /);
    const key = await run({ API_KEY: 'f0e1d2c3b4a5'.repeat(4) });
    assert.equal(key.status, 1);
    assert.match(key.output, /FAIL +\/api\/v1\/stats with the first API_KEY of the file: 401 instead of 200/);
    assert.match(key.output, /FAIL +trying a document: POST \/api\/v1\/documents answered 401/);
  });

  it('fails without Docker if it is wanted, without a file, and without a service', async () => {
    const docker = await run({}, ['--require-docker']);
    assert.equal(docker.status, 1);
    assert.match(docker.output, /FAIL +containers: no docker/);
    const file = await preflight(['--settings', join(folder.path, 'missing.env')]);
    assert.equal(file.status, 1);
    assert.match(file.output, /FAIL +\S+missing\.env can't be read/);
    const nobody = await run({}, ['--url', 'http://127.0.0.1:1']);
    assert.equal(nobody.status, 1);
    assert.match(nobody.output, /FAIL +the API: /);
  });

  it('explains itself, and refuses what it does not know', async () => {
    const help = await preflight(['--help']);
    assert.deepEqual([help.status, /--require-docker/.test(help.output)], [0, true]);
    assert.equal((await preflight(['--hepl'])).status, 2);
  });

  describe('where Docker is', () => {
    const containers = (changed: Record<string, object>) =>
      Object.keys(composeModel(filledSettings()).services)
        .map((Service) => ({ Service, State: 'running', Health: 'healthy', ExitCode: 0, ...changed[Service] }))
        .map((container) => `${JSON.stringify(container)}\n`)
        .join('');
    /** Takes one password, as Grafana does. */
    async function openGrafana(password: string) {
      const server = createServer((request, response) => {
        const expected = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
        response.writeHead(request.headers.authorization === expected ? 200 : 401).end('{}');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void server.close() };
    }
    async function runWith(options: {
      password: string;
      containers: Record<string, object>;
      reached?: object[];
      superuser?: boolean;
    }) {
      using grafana = await openGrafana(options.password);
      await writeFile(join(folder.path, 'docker'), STAND_IN, { mode: 0o755 });
      await writeFile(join(folder.path, 'config.json'), JSON.stringify(composeModel(filledSettings())));
      await writeFile(join(folder.path, 'ps.json'), containers(options.containers));
      await writeFile(join(folder.path, 'superuser.txt'), options.superuser ? 't' : 'f');
      await writeFile(join(folder.path, 'inspect.json'), JSON.stringify([REDIS]));
      await writeFile(join(folder.path, 'reached.json'), JSON.stringify(options.reached ?? [{ ...AT, port: 6379 }]));
      return await run({}, ['--grafana', grafana.url], { PATH: `${folder.path}:${process.env['PATH']}` });
    }

    it('asks it for everything else', async () => {
      const password = filledSettings()['GRAFANA_ADMIN_PASSWORD'] ?? '';
      const ended = { State: 'exited', Health: '' };
      const { status, output } = await runWith({ password, containers: { 'volume-owner': ended } });
      assert.equal(status, 0, output);
      assert.match(output, /ok +Grafana takes GRAFANA_ADMIN_PASSWORD/);
      assert.match(output, /ok +nothing but the API is published/);
      assert.match(output, /ok +\d+ services run and are well/);
      assert.match(output, /ok +the watchdog fires/);
      assert.match(output, /ok +Alertmanager sends the watchdog to webhook/);
      assert.match(output, /ok +the role of the service is no superuser/);
      assert.match(output, /warn +no notification has got through yet/);
      assert.match(output, /ok +the ai-worker reaches what it needs and nothing else/);
      assert.match(output, / 0 failed, 0 skipped/);
    });

    it('fails for a password that everybody knows, a service that is not well, and a way too many', async () => {
      const reached = [6379, 9090].map((port) => ({ ...AT, port }));
      const { status, output } = await runWith({
        password: 'admin',
        containers: { backend: { Health: 'starting' } },
        reached,
        superuser: true,
      });
      assert.match(output, /FAIL +the role of the service is a superuser/);
      assert.match(output, /FAIL +the ai-worker reaches redis \(10\.0\.0\.2:9090\)/);
      assert.equal(status, 1);
      assert.match(output, /FAIL +Grafana takes the password `admin`/);
      assert.match(output, /FAIL +backend is starting/);
    });
  });
});

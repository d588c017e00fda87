import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { LogLine } from '../support/memory-logger.ts';
import { openPgliteDatabase, type TestDatabase } from '../support/pglite-database.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type StartedProcess, startProcess } from '../support/started-process.ts';
import { until } from '../support/until.ts';

describe('standard output', function suite() {
  this.timeout(120_000);
  let redis: RedisServer;
  let database: TestDatabase;
  let backend: StartedProcess | undefined;
  before(async () => {
    redis = await openRedisServer();
  });
  beforeEach(async () => {
    database = await openPgliteDatabase();
  });
  afterEach(async () => {
    backend?.child.kill('SIGKILL');
    await backend?.exited;
    backend = undefined;
    await database.close();
  });
  after(() => redis.close());

  async function start(env: NodeJS.ProcessEnv = {}, files?: number): Promise<StartedProcess> {
    backend = await startProcess({
      env: { DATABASE_URL: database.url, REDIS_URL: redis.url, SHUTDOWN_TIMEOUT_MS: '12000', ...env },
      ...(files !== undefined && { files }),
    });
    await backend.ready();
    return backend;
  }

  const lost = async ({ internalUrl }: StartedProcess) => {
    const series = await (await fetch(`${internalUrl}/metrics`)).text();
    return Number(/^log_lines_lost_total (\d+)$/m.exec(series)?.[1]);
  };
  const serve = async (from: StartedProcess, count: number) => {
    for (let n = 0; n < count; n += 1) assert.equal((await from.call('/api/v1/stats')).status, 200);
  };

  it('may lose its reader, and standard error too: lines are lost and counted, and nothing else', async () => {
    const from = await start();
    assert.equal(await lost(from), 0);
    from.child.stdout?.destroy();
    from.child.stderr?.destroy();
    await serve(from, 20);
    await until(async () => (await lost(from)) >= 20);
    await serve(from, 1);
    from.child.kill('SIGTERM');
    assert.deepEqual(await from.exited, [0, null]);
  });

  it('may have a reader that stands still, at the end too', async () => {
    const from = await start({ LOG_LEVEL: 'debug' });
    from.child.stdout?.pause();
    await serve(from, 600);
    from.child.kill('SIGTERM');
    assert.deepEqual(await from.exited, [0, null]);
  });

  it('says what is wrong with the settings of telemetry, in a line each', async () => {
    const from = await start({
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_PROPAGATORS: 'tracecontext,baggage,jaeger',
      OTEL_TRACES_EXPORTER: 'none,zipkin',
      OTEL_BSP_SCHEDULE_DELAY: 'soon',
    });
    const said = from.lines.filter(({ message }) => message === 'telemetry').map(({ detail }) => String(detail));
    for (const name of [
      'SAMPLER: sometimes',
      'PROPAGATORS: baggage',
      'PROPAGATORS: jaeger',
      'EXPORTER: zipkin',
      'soon',
    ])
      assert.equal(said.filter((detail) => detail.includes(name)).length, 1, name);
    assert.deepEqual(from.others, []);
    assert.ok(!from.lines.some(({ message }) => message.includes('ulimit')));
  });

  it('says that few files may be open', async () => {
    const from = await start({}, 128);
    const [line] = from.lines.filter(({ message }) => message.includes('ulimit'));
    assert.deepEqual([line?.level, line?.['files']], ['warn', 128]);
  });

  it('gets, or standard error does, every fault of the settings in one line of JSON, unless a person is to read it', async () => {
    const run = async (env: NodeJS.ProcessEnv) => {
      const args = ['--import', './telemetry/register.ts', 'src/server.ts'];
      const child = spawn(process.execPath, args, { env: { PATH: process.env['PATH'], ...env } });
      const [errors, [status]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
      assert.equal(status, 1);
      return errors;
    };
    const env = { PORT: 'x', OTEL_TRACES_SAMPLER: 'sometimes' };
    const lines = (await run(env))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LogLine);
    assert.match(lines.map(({ detail }) => detail).join(), /sometimes/);
    assert.match(lines.at(-1)?.message ?? '', /^ {2}- PORT: .*\n(.*\n)*? {2}- DATABASE_URL is missing/m);
    assert.equal(lines.at(-1)?.level, 'error');
    assert.match(await run({ ...env, LOG_FORMAT: 'pretty' }), /^ {2}- PORT: /m);
  });
});

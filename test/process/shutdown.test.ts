import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

describe('shutdown', function suite() {
  this.timeout(180_000);
  let service: Service;
  before(async () => {
    service = await startService({ SHUTDOWN_TIMEOUT_MS: '20000' });
  });
  after(() => service.stop());

  const pidOf = (name: string) => service.stack.processes.find((process) => process.name === name)?.pid ?? 0;
  const endOf = (name: string) => service.lines.find((line) => line.startsWith(`ragbase ${name}: ended by itself`));
  const isBack = async (name: string, before: number) => {
    await until(() => pidOf(name) !== before, 60_000);
    await until(async () => (await service.call('/ready')).status === 200, 60_000);
  };

  it('answers every request that was accepted, and sends its span', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 200 });
    const search = (query: string) => post(agent, service, { query, mode: 'keyword' });
    // The connections are open and have been used: the hard case is a request on one that is being closed.
    await Promise.all(Array.from({ length: 200 }, () => search('warm')));
    const pid = pidOf('backend');
    const answers = Array.from({ length: 200 }, (_, index) => search(`in flight ${index}`));
    await answers[0];
    process.kill(pid, 'SIGTERM');
    const settled = await Promise.all(answers);
    assert.deepEqual([...new Set(settled.map(({ status }) => status))], [200]);
    await isBack('backend', pid);
    assert.match(endOf('backend') ?? '', /exit status 0/);
    const served = new Set(
      service.traces
        .spans()
        .filter((span) => span.name === 'POST /api/v1/search')
        .map((span) => span.traceId),
    );
    assert.deepEqual(
      settled.filter(({ traceId }) => !served.has(traceId)),
      [],
    );
    agent.destroy();
  });

  it('hands back what the worker can not finish, uncounted', async () => {
    const text = Array.from({ length: 800 }, () => `A sentence ${randomUUID()} of a long document.`).join(' ');
    const uploaded = (await (await service.upload('long.txt', text)).json()) as ShownDocument;
    await until(async () => (await service.document(uploaded.id)).status === 'processing', 60_000);
    const pid = pidOf('worker');
    process.kill(pid, 'SIGTERM');
    await until(() => endOf('worker'), 60_000);
    assert.match(endOf('worker') ?? '', /exit status 0/);
    assert.notEqual((await service.document(uploaded.id)).status, 'failed');
    const done = await service.settled(uploaded.id);
    assert.deepEqual([done.status, done.attempts], ['completed', 1]);
  });
});

describe('a shutdown that hangs', function suite() {
  this.timeout(120_000);

  it('ends with status 1 at its limit', async () => {
    const service = await startService({ SHUTDOWN_TIMEOUT_MS: '2000' });
    const pidOf = (name: string) => service.stack.processes.find((process) => process.name === name)?.pid ?? 0;
    const database = pidOf('postgres');
    process.kill(database, 'SIGSTOP');
    try {
      const search = service.call('/api/v1/stats').catch(() => undefined);
      // Its probe hangs as well: so the request is in flight by now.
      await until(async () => (await service.call('/ready')).status === 503, 30_000);
      process.kill(pidOf('backend'), 'SIGTERM');
      const ended = () => service.lines.find((line) => line.startsWith('ragbase backend: ended by itself'));
      await until(ended, 30_000);
      assert.match(ended() ?? '', /exit status 1/);
      const said = service.lines.find((line) => line.includes('shutdown took too long')) ?? '';
      assert.match(said, /"stillOpen":\[.*"public server",.*"database",.*"telemetry"\]/);
      await search;
    } finally {
      process.kill(database, 'SIGCONT');
      await service.stop();
    }
  });
});

function post(agent: Agent, service: Service, body: object): Promise<{ status: number; traceId: string }> {
  const url = new URL('/api/v1/search', service.stack.apiUrl);
  const headers = { 'content-type': 'application/json', 'x-api-key': service.stack.apiKey };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().once('end', () => {
        resolve({ status: response.statusCode ?? 0, traceId: String(response.headers['x-trace-id']) });
      });
    });
    outgoing.once('error', reject).end(JSON.stringify(body));
  });
}

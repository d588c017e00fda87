import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddingsServer, numbersAnswer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Longer than a lease. */
const PAUSE_MS = 20_000;
const PARAGRAPHS = 6_000;
/** Of each call to the provider: more of them than all the pauses take. */
const SLOW_MS = 5_000;

describe('a long document', function suite() {
  this.timeout(300_000);
  let provider: EmbeddingsServer;
  let service: Service;
  beforeEach(async () => {
    provider = await startEmbeddingsServer();
    service = await startService(provider.settings);
  });
  afterEach(async () => {
    await service?.stop();
    await provider?.close();
  });

  /** Embeds as slowly as it takes to break things meanwhile. */
  const slowDown = () => {
    provider.answers.push(
      ...Array.from({ length: 10_000 }, () => async (...call: Parameters<typeof numbersAnswer>) => {
        await delay(SLOW_MS);
        numbersAnswer(...call);
      }),
    );
  };
  const hurry = () => {
    provider.answers.length = 0;
  };
  const pidOf = (name: string) => service.stack.processes.find((process) => process.name === name)?.pid ?? 0;
  const freeze = async (...names: string[]) => {
    const pids = names.map(pidOf);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await delay(PAUSE_MS);
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    await isReady();
  };
  const end = async (name: string, signal: NodeJS.Signals) => {
    const pid = pidOf(name);
    process.kill(pid, signal);
    await until(() => pidOf(name) !== pid, 60_000);
    await isReady();
  };
  const isReady = () =>
    until(async () => {
      const answers = await Promise.all(
        [service.stack.apiUrl, service.stack.workerUrl].map((url) => fetch(new URL('/ready', url))),
      );
      return answers.every(({ status }) => status === 200);
    }, 60_000);
  const upload = async () => {
    slowDown();
    const text = Array.from({ length: PARAGRAPHS }, (_, index) => `Paragraph ${index} ${'of many words '.repeat(40)}`);
    const { id } = (await (await service.upload('long.txt', text.join('\n\n'))).json()) as ShownDocument;
    await until(() => embedded().calls > 0, 60_000);
    return id;
  };
  /** What was to be embedded, and how often each was. */
  const embedded = () => {
    // Not the short ones by which a process asks how the provider is.
    const texts = provider.requests.flatMap(({ body }) => body.input).filter((text) => text.includes('many words'));
    return { texts: new Set(texts).size, calls: texts.length };
  };
  /** In the works, and none the worse for what happened. */
  const isAtWork = (id: string, attempts: number) =>
    until(async () => {
      const shown = await service.document(id);
      return shown.status === 'processing' && shown.attempts === attempts;
    }, 60_000);

  it('does not notice pauses and restarts of the backend', async () => {
    const id = await upload();
    for (let pause = 0; pause < 3; pause += 1) {
      await freeze('backend');
      await isAtWork(id, 1);
    }
    await end('backend', 'SIGKILL');
    await isAtWork(id, 1);
    await end('backend', 'SIGTERM');
    await isAtWork(id, 1);
    hurry();
    const done = await service.settled(id);
    assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    const { texts, calls } = embedded();
    assert.equal(calls, texts, 'nothing was embedded twice');
  });

  it('bears pauses, restarts and one crash of the worker on two attempts', async () => {
    const id = await upload();
    for (let pause = 0; pause < 2; pause += 1) {
      await freeze('worker');
      await isAtWork(id, 1);
    }
    await freeze('worker', 'backend', 'postgres', 'redis');
    await isAtWork(id, 1);
    const { texts, calls } = embedded();
    assert.equal(calls, texts, 'nothing was embedded twice');
    await end('worker', 'SIGKILL');
    await isAtWork(id, 2);
    await end('worker', 'SIGTERM');
    await isAtWork(id, 2);
    hurry();
    const done = await service.settled(id);
    assert.deepEqual([done.status, done.attempts], ['completed', 2]);
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Answer, type EmbeddingsServer, respond, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { until } from '../support/until.ts';

const DOCUMENTS = 6;
/** Of one document, before it is put back on the queue; two are in hand at a time. */
const TRIES = 5;

/** What the tests look at of a service. */
const looksAt = (service: () => Service) => {
  const series = async (url: string, name: string) => {
    const text = await (await fetch(new URL('/metrics', url))).text();
    return Number(new RegExp(`^${name}\\{provider="openai"\\} (\\d)`, 'm').exec(text)?.[1]);
  };
  return {
    paused: () => series(service().stack.workerUrl, 'embedding_provider_paused'),
    up: async () => {
      const { workerUrl, metricsUrl } = service().stack;
      return Promise.all([metricsUrl, workerUrl].map((url) => series(url, 'embedding_provider_up')));
    },
    told: (process: string, message: string) =>
      service().lines.filter((line) => line.startsWith(`${process} `) && line.includes(`"message":"${message}`)).length,
    stats: async () => {
      const response = await service().call('/api/v1/stats');
      return (await response.json()) as { documents: Record<string, number>; embedding: { dimensions: number | null } };
    },
    ready: async () => {
      const { workerUrl, apiUrl } = service().stack;
      return Promise.all(
        [apiUrl, workerUrl].map(async (url) => {
          const response = await fetch(new URL('/ready', url));
          const { dependencies } = (await response.json()) as { dependencies: Record<string, boolean> };
          return [response.status, dependencies['embedding']];
        }),
      );
    },
    search: (mode: string) =>
      service().call('/api/v1/search', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: 'words', mode }),
      }),
    upload: async (number: number) => {
      const response = await service().upload(`${number}.txt`, `words ${randomUUID()}`);
      assert.equal(response.status, 202);
      return ((await response.json()) as ShownDocument).id;
    },
  };
};

describe('an embedding provider that can take no more', function suite() {
  this.timeout(180_000);
  let provider: EmbeddingsServer;
  let service: Service;
  before(async () => {
    provider = await startEmbeddingsServer();
    service = await startService({ ...provider.settings, MAX_ATTEMPTS: '1' });
  });
  after(async () => {
    await service?.stop();
    await provider?.close();
  });
  const { paused, told, stats, upload } = looksAt(() => service);

  it('costs no document a try, whether it asks for patience (429), is overloaded (503) or refuses the key (401)', async () => {
    await until(async () => (await paused()) === 0);
    const answers: Answer[] = [
      (_, response) => respond(response, 429, {}, { 'retry-after': '1' }),
      (_, response) => respond(response, 503, {}),
      (_, response) => respond(response, 401, {}),
    ];
    const before = provider.requests.length;
    provider.answers.push(...Array.from({ length: 1_000 }, (_, index) => answers[index % 3] as Answer));
    const ids: string[] = [];
    for (let sent = 0; sent < DOCUMENTS; sent += 1) ids.push(await upload(sent));
    await until(async () => (await paused()) === 1, 60_000);
    // So the two in hand have given up by then, and the provider is asked for itself.
    await until(() => provider.requests.length - before > 2 * TRIES, 60_000);
    assert.equal((await stats()).documents['failed'], 0);
    assert.equal(told('worker', 'embedding provider fails'), 1);
    assert.equal(told('worker', 'embedding provider works again'), 0);

    provider.answers.length = 0;
    for (const id of ids) {
      const done = await service.settled(id);
      assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    }
    assert.equal(await paused(), 0);
    assert.equal(told('worker', 'embedding provider fails'), 1, 'one line for the whole time');
    assert.equal(told('worker', 'embedding provider works again'), 1);
  });
});

describe('an embedding provider that is away', function suite() {
  this.timeout(180_000);
  let provider: EmbeddingsServer;
  let way: SeverableProxy;
  let service: Service;
  before(async () => {
    provider = await startEmbeddingsServer();
    way = await openSeverableProxy(Number(new URL(provider.baseUrl).port));
    way.cut();
    const { EMBEDDING_DIMENSIONS: _, ...settings } = provider.settings;
    service = await startService({
      ...settings,
      EMBEDDING_BASE_URL: `http://127.0.0.1:${way.port}/v1`,
      MAX_ATTEMPTS: '1',
    });
  });
  after(async () => {
    await service?.stop();
    way?.close();
    await provider?.close();
  });
  const { up, told, stats, ready, search, upload } = looksAt(() => service);
  const modes = async () =>
    Promise.all(['keyword', 'hybrid', 'vector'].map(async (mode) => (await search(mode)).status));
  const ids: string[] = [];

  it('holds up no start, though nobody knows how wide its vectors are', async () => {
    assert.deepEqual(await ready(), [
      [200, false],
      [200, false],
    ]);
    assert.deepEqual(await up(), [0, 0]);
    assert.deepEqual((await stats()).embedding.dimensions, null);
    assert.deepEqual(await modes(), [200, 503, 503]);
    const refused = (await (await search('hybrid')).json()) as { error: string; message: string };
    assert.equal(refused.error, 'UNAVAILABLE');
    assert.match(refused.message, /mode "keyword"/);
  });

  it('leaves what is uploaded waiting, untouched', async () => {
    for (let sent = 0; sent < DOCUMENTS; sent += 1) ids.push(await upload(sent));
    // Two are in the worker's hands, which hold still.
    const active = /^processing_queue_size\{(?=[^}]*status="active")(?=[^}]*lane="fast")[^}]*\} 2$/m;
    await until(async () => active.test(await (await fetch(service.stack.metricsUrl)).text()), 60_000);
    const documents = await Promise.all(ids.map((id) => service.document(id)));
    assert.deepEqual([...new Set(documents.map(({ status, attempts }) => `${status} ${attempts}`))], ['queued 0']);
    for (const process of ['backend', 'worker']) assert.equal(told(process, 'embedding provider fails'), 1, process);
  });

  it('is used as soon as it is there', async () => {
    way.mend();
    for (const id of ids) {
      const done = await service.settled(id);
      assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    }
    await until(async () => (await up()).every((value) => value === 1), 60_000);
    await until(async () => (await ready()).every(([status, embedding]) => status === 200 && embedding === true));
    assert.equal((await stats()).embedding.dimensions, 3);
    assert.deepEqual(await modes(), [200, 200, 200]);
  });

  it('may go again, and come back', async () => {
    way.cut();
    assert.deepEqual(await modes(), [200, 503, 503]);
    const id = await upload(0);
    await until(async () => (await up()).every((value) => value === 0), 60_000);
    assert.deepEqual(await ready(), [
      [200, false],
      [200, false],
    ]);
    way.mend();
    const done = await service.settled(id);
    assert.deepEqual([done.status, done.attempts], ['completed', 1]);
    await until(async () => (await up()).every((value) => value === 1), 60_000);
    assert.deepEqual(await modes(), [200, 200, 200]);
  });
});

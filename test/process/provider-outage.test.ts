import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Answer, type EmbeddingsServer, respond, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const DOCUMENTS = 6;
/** Of one document, before it is put back on the queue; two are in hand at a time. */
const TRIES = 5;

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

  const paused = async () => {
    const series = await (await fetch(new URL('/metrics', service.stack.workerUrl))).text();
    return Number(/^embedding_provider_paused\{provider="openai"\} (\d)/m.exec(series)?.[1]);
  };
  const told = (message: string) =>
    service.lines.filter((line) => line.startsWith('worker ') && line.includes(`"message":"${message}`)).length;
  const counts = async () => {
    const stats = (await (await service.call('/api/v1/stats')).json()) as { documents: Record<string, number> };
    return stats.documents;
  };

  for (const [index, [what, busy]] of Object.entries<Answer>({
    'asks for patience (429)': (_, response) => respond(response, 429, {}, { 'retry-after': '1' }),
    'is overloaded (503)': (_, response) => respond(response, 503, {}),
  }).entries())
    it(`costs no document a try while it ${what}`, async () => {
      const before = provider.requests.length;
      provider.answers.push(...Array.from({ length: 1_000 }, () => busy));
      const ids: string[] = [];
      for (let sent = 0; sent < DOCUMENTS; sent += 1) {
        const response = await service.upload(`${sent}.txt`, randomUUID());
        ids.push(((await response.json()) as ShownDocument).id);
      }
      await until(async () => (await paused()) === 1, 60_000);
      // So two pairs of them have given up by then, and one more goes on.
      await until(() => provider.requests.length - before > 4 * TRIES, 60_000);
      assert.equal((await counts())['failed'], 0);
      assert.equal(told('embedding provider fails'), index + 1);
      assert.equal(told('embedding provider works again'), index);

      provider.answers.length = 0;
      for (const id of ids) {
        const done = await service.settled(id);
        assert.deepEqual([done.status, done.attempts], ['completed', 1]);
      }
      assert.equal(await paused(), 0);
      assert.equal(told('embedding provider fails'), index + 1, 'one line for the whole time');
      assert.equal(told('embedding provider works again'), index + 1);
    });
});

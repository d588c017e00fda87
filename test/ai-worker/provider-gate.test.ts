import assert from 'node:assert/strict';
import { createProviderGate, type ProviderGate } from '../../src/ai-worker/provider-gate.ts';
import { openOpenAiEmbedder } from '../../src/embeddings/openai.ts';
import { type ProviderWatch, watchProvider } from '../../src/embeddings/provider-watch.ts';
import { type EmbeddingsServer, respond, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';

describe('the gate before the embedding provider', function suite() {
  this.timeout(30_000);
  let telemetry: RecordedTelemetry;
  let server: EmbeddingsServer;
  let provider: ProviderWatch;
  let gate: ProviderGate;
  let ending: AbortController;
  beforeEach(async () => {
    telemetry = recordTelemetry();
    server = await startEmbeddingsServer();
    ending = new AbortController();
    const embedder = openOpenAiEmbedder({ baseUrl: server.baseUrl, model: 'm', backoffBaseMs: 1 });
    provider = watchProvider(embedder, { logger: memoryLogger().logger, signal: ending.signal, firstPauseMs: 20 });
    gate = createProviderGate(provider);
  });
  afterEach(async () => {
    ending.abort();
    await provider.embedder.close();
    await server.close();
    await telemetry.stop();
  });

  const embed = () => provider.embedder.embed(['text'], { purpose: 'document' });
  const pass = async (signal = new AbortController().signal) => {
    let hasPassed = false;
    let waits = 0;
    const onWait = () => {
      waits += 1;
    };
    const passing = gate.pass(signal, onWait).then(() => {
      hasPassed = true;
    });
    await Promise.race([passing, new Promise(setImmediate)]);
    return { passing, hasPassed: () => hasPassed, waits: () => waits };
  };
  const paused = async () => (await telemetry.points('embedding_provider_paused'))[0]?.value;
  const fail = (times: number) => {
    for (let index = 0; index < times; index += 1) server.answers.push((_, response) => respond(response, 503, {}));
  };

  it('is closed until the provider has answered, and then open', async () => {
    const held = await pass();
    assert.deepEqual([held.hasPassed(), held.waits()], [false, 1]);
    assert.equal(await paused(), 1);
    await held.passing;
    assert.equal(await paused(), 0);
    assert.ok((await pass()).hasPassed());
  });

  it('holds documents back while the provider is away, telling of each wait, and lets them try again', async () => {
    await until(() => provider.isUp);
    fail(1_000);
    await assert.rejects(embed());
    const held = await pass();
    assert.equal(await paused(), 1);
    await until(() => held.waits() > 2);
    assert.equal(held.hasPassed(), false);
    server.answers.length = 0;
    await held.passing;
    await embed();
    assert.equal(await paused(), 0);
  });

  it('holds nobody back who has to leave', async () => {
    await until(() => provider.isUp);
    fail(1_000);
    await assert.rejects(embed());
    const leaving = new AbortController();
    const held = await pass(leaving.signal);
    leaving.abort();
    await assert.rejects(held.passing, { name: 'AbortError' });
    await assert.rejects(gate.pass(AbortSignal.abort()), { name: 'AbortError' });
  });
});

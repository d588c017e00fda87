import assert from 'node:assert/strict';
import { createProviderGate, type ProviderGate } from '../../src/ai-worker/provider-gate.ts';
import { openOpenAiEmbedder } from '../../src/embeddings/openai.ts';
import { type EmbeddingsServer, respond, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type LogLine, memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';

describe('the gate before the embedding provider', function suite() {
  this.timeout(30_000);
  let telemetry: RecordedTelemetry;
  let server: EmbeddingsServer;
  let gate: ProviderGate;
  let lines: LogLine[];
  beforeEach(async () => {
    telemetry = recordTelemetry();
    server = await startEmbeddingsServer();
    const log = memoryLogger();
    lines = log.lines;
    const options = { baseUrl: server.baseUrl, model: 'm', dimensions: 3, backoffBaseMs: 1 };
    gate = createProviderGate(await openOpenAiEmbedder(options), log);
  });
  afterEach(async () => {
    await gate.embedder.close();
    await server.close();
    await telemetry.stop();
  });

  const embed = () => gate.embedder.embed(['text'], { purpose: 'document' });
  const pass = async () => {
    let hasPassed = false;
    let waits = 0;
    const onWait = () => {
      waits += 1;
    };
    const passing = gate.pass(new AbortController().signal, onWait).then(() => {
      hasPassed = true;
    });
    await Promise.race([passing, new Promise(setImmediate)]);
    return { passing, hasPassed: () => hasPassed, waits: () => waits };
  };
  const paused = async () => (await telemetry.points('embedding_provider_paused'))[0]?.value;
  /** As often as one call tries. */
  const fail = (status: number, times = 5) => {
    for (let index = 0; index < times; index += 1) server.answers.push((_, response) => respond(response, status, {}));
  };

  it('is open', async () => {
    assert.ok((await pass()).hasPassed());
    assert.equal(await paused(), 0);
  });

  it('holds documents back after a 503, says so once, and lets them try again', async () => {
    fail(503, 10);
    await Promise.allSettled([embed(), embed()]);
    const held = await pass();
    assert.deepEqual([held.hasPassed(), held.waits()], [false, 1]);
    assert.equal(await paused(), 1);
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [['warn', 'embedding provider fails; documents wait for it']],
    );

    await held.passing;
    await embed();
    assert.equal(await paused(), 0);
    await until(() => lines.length === 2);
    assert.equal(lines[1]?.message, 'embedding provider works again');
  });

  it('waits as long as a 429 asks, and opens for whoever is through by then', async () => {
    server.answers.push((_, response) => respond(response, 429, {}, { 'retry-after': '50' }));
    await assert.rejects(embed());
    assert.equal((await pass()).hasPassed(), false);
    await embed();
    assert.ok((await pass()).hasPassed());
  });

  it('stays open after what waiting does not mend', async () => {
    fail(400);
    await assert.rejects(embed());
    assert.ok((await pass()).hasPassed());
  });

  it('holds nobody back who has to leave', async () => {
    fail(503);
    await assert.rejects(embed());
    await assert.rejects(gate.pass(AbortSignal.abort()), { name: 'AbortError' });
  });
});

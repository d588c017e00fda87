import assert from 'node:assert/strict';
import { openOpenAiEmbedder } from '../../src/embeddings/openai.ts';
import { type ProviderWatch, watchProvider } from '../../src/embeddings/provider-watch.ts';
import { type LogLine, memoryLogger } from '../support/memory-logger.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';
import { until } from '../support/until.ts';
import { type EmbeddingsServer, respond, startEmbeddingsServer } from './embeddings-server.ts';

describe('watchProvider', function suite() {
  this.timeout(30_000);
  let telemetry: RecordedTelemetry;
  let server: EmbeddingsServer;
  let lines: LogLine[];
  let ending: AbortController;
  const watches: ProviderWatch[] = [];
  beforeEach(async () => {
    telemetry = recordTelemetry();
    server = await startEmbeddingsServer();
    ending = new AbortController();
  });
  afterEach(async () => {
    ending.abort();
    for (const { embedder } of watches.splice(0)) await embedder.close();
    await server.close();
    await telemetry.stop();
  });

  const watch = (options: { dimensions?: number } = {}) => {
    const log = memoryLogger();
    lines = log.lines;
    const embedder = openOpenAiEmbedder({ baseUrl: server.baseUrl, model: 'm', backoffBaseMs: 1, ...options });
    const provider = watchProvider(embedder, { logger: log.logger, signal: ending.signal, firstPauseMs: 10 });
    watches.push(provider);
    return provider;
  };
  const fail = (status: number, times: number, headers = {}) => {
    for (let index = 0; index < times; index += 1)
      server.answers.push((_, response) => respond(response, status, {}, headers));
  };
  const embed = ({ embedder }: ProviderWatch, ...texts: string[]) => embedder.embed(texts, { purpose: 'document' });
  const series = async () => (await telemetry.points('embedding_provider_up'))[0];
  const told = () => lines.map(({ level, message }) => [level, message]);

  it('finds out at once, by one short text, how wide vectors are', async () => {
    const provider = watch();
    assert.equal(provider.isUp, false);
    assert.deepEqual(await series(), { labels: { provider: 'openai' }, value: 0 });
    assert.equal(await provider.firstAnswer, 3);
    assert.equal(provider.isUp, true);
    assert.equal((await series())?.value, 1);
    assert.deepEqual(
      server.requests.map(({ body }) => body.input.length),
      [1],
    );
    assert.deepEqual(told(), []);
    assert.deepEqual(await telemetry.points('embedding_generation_duration_seconds'), []);
  });

  it('asks again for as long as it takes, and tells of it in two lines', async () => {
    fail(503, 4);
    fail(401, 1);
    const provider = watch();
    await until(() => lines.length === 1);
    assert.equal(await provider.firstAnswer, 3);
    assert.equal(server.requests.length, 6);
    assert.deepEqual(told(), [
      ['warn', 'embedding provider fails'],
      ['info', 'embedding provider works again'],
    ]);
    assert.equal(lines[0]?.['problem'], 'the embedding service answered 503');
  });

  it('takes what a call meets for what is so: away, and back', async () => {
    const provider = watch();
    await provider.firstAnswer;
    fail(503, 5);
    await assert.rejects(embed(provider, 'text'));
    assert.equal(provider.isUp, false);
    assert.equal((await series())?.value, 0);
    assert.equal((await embed(provider, 'text')).length, 1);
    assert.equal(provider.isUp, true);
  });

  it('asks no sooner than it was told to', async () => {
    const provider = watch();
    await provider.firstAnswer;
    fail(429, 1, { 'retry-after': '50' });
    await assert.rejects(embed(provider, 'text'));
    const asked = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(server.requests.length, asked);
    assert.equal(provider.isUp, false);
  });

  it('is not impressed by a text that the provider refuses', async () => {
    const provider = watch();
    await provider.firstAnswer;
    fail(400, 1);
    await assert.rejects(embed(provider, 'text'));
    assert.equal(provider.isUp, true);
  });

  it('asks nothing after the end', async () => {
    fail(503, 1_000);
    watch();
    await until(() => server.requests.length > 2);
    ending.abort();
    await new Promise(setImmediate);
    const asked = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(server.requests.length, asked);
  });
});

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { type Embedder, EmbeddingError } from '../../src/embeddings/embedder.ts';
import { type OpenAiEmbedderOptions, openOpenAiEmbedder } from '../../src/embeddings/openai.ts';
import {
  type Answer,
  base64Answer,
  type EmbeddingsServer,
  numbersAnswer,
  respond,
  startEmbeddingsServer,
  vectorOf,
} from './embeddings-server.ts';

const KEY = 'sk-a-very-secret-key';

describe('the OpenAI-compatible embedder', () => {
  let server: EmbeddingsServer;
  const opened: Embedder[] = [];

  beforeEach(async () => {
    server = await startEmbeddingsServer();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((embedder) => embedder.close()));
    await server.close();
  });

  async function open(options: Partial<OpenAiEmbedderOptions> = {}): Promise<Embedder> {
    const embedder = await openOpenAiEmbedder({
      baseUrl: server.baseUrl,
      apiKey: KEY,
      model: 'some-model',
      dimensions: 3,
      backoffBaseMs: 1,
      ...options,
    });
    opened.push(embedder);
    return embedder;
  }

  const embed = (embedder: Embedder, ...texts: string[]) => embedder.embed(texts, { purpose: 'document' });
  const unit = (text: string) => {
    const norm = Math.hypot(...vectorOf(text));
    return Float32Array.from(vectorOf(text), (value) => value / norm);
  };

  it('asks the way OpenAI wants to be asked, and makes unit vectors of the answer', async () => {
    const vectors = await embed(await open(), 'a', 'bb');
    assert.deepEqual(server.requests, [
      {
        path: '/v1/embeddings',
        authorization: `Bearer ${KEY}`,
        body: { model: 'some-model', input: ['a', 'bb'], encoding_format: 'base64', dimensions: 3 },
      },
    ]);
    assert.deepEqual(vectors, [unit('a'), unit('bb')]);
  });

  it('sends the key of now, and none while there is none', async () => {
    let key: string | undefined;
    const embedder = await open({ apiKey: () => key });
    for (key of [undefined, 'first', 'second']) await embed(embedder, 'a');
    const sent = server.requests.map(({ authorization }) => authorization);
    assert.deepEqual(sent, [undefined, 'Bearer first', 'Bearer second']);
  });

  it('reads vectors in base64 as well', async () => {
    server.answers.push(base64Answer);
    assert.deepEqual(await embed(await open(), 'a', 'bb'), [unit('a'), unit('bb')]);
  });

  it('takes any width where none is configured, and sends none; once settled, no other', async () => {
    const { dimensions: _, ...rest } = { dimensions: 0, baseUrl: `${server.baseUrl}/`, model: 'some-model' };
    const embedder = openOpenAiEmbedder(rest);
    opened.push(embedder);
    assert.equal(server.requests.length, 0);
    assert.equal(embedder.space.current, undefined);
    assert.equal(await embedder.probe(), 3);
    assert.deepEqual(await embed(embedder, 'a'), [unit('a')]);
    assert.equal(embedder.space.current, undefined, 'whoever knows more decides');
    embedder.space.settle(4);
    embedder.space.settle(3);
    assert.deepEqual(embedder.space.current, { model: 'some-model', dimensions: 4 });
    await assert.rejects(embed(embedder, 'a'), /an embedding of 3 dimensions where 4 are expected/);
    assert.equal(await embedder.probe(), 3, 'what the server gives, whatever is expected');
    assert.equal(server.requests[0]?.authorization, undefined);
    assert.equal('dimensions' in (server.requests[0]?.body ?? {}), false);
  });

  it('sends long lists in batches, by number and by size, and keeps their order', async () => {
    const embedder = await open({ maxBatchTexts: 2, maxBatchChars: 10 });
    const texts = ['a', 'bb', 'ccc', 'dddddddd', 'eeeee', 'f'];
    assert.deepEqual(await embed(embedder, ...texts), texts.map(unit));
    assert.deepEqual(
      server.requests.map(({ body }) => body.input),
      [['a', 'bb'], ['ccc'], ['dddddddd'], ['eeeee', 'f']],
    );
  });

  it('tells of each batch that is done', async () => {
    const embedder = await open({ maxBatchTexts: 2 });
    const asked: number[] = [];
    const onProgress = () => asked.push(server.requests.length);
    await embedder.embed(['a', 'b', 'c', 'd', 'e'], { purpose: 'document', onProgress });
    assert.deepEqual(asked, [1, 2, 3]);
  });

  it('sends nothing for no texts', async () => {
    assert.deepEqual(await embed(await open()), []);
    assert.equal(server.requests.length, 0);
  });

  it('cuts what no model reads, without halving a character', async () => {
    await embed(await open({ maxTextChars: 4 }), 'abc😀def');
    assert.deepEqual(server.requests[0]?.body.input, ['abc\ufffd']);
  });

  it('puts an answer that comes in another order right', async () => {
    server.answers.push(({ input }, response) => {
      const data = input.map((text, index) => ({ index, embedding: vectorOf(text) })).reverse();
      respond(response, 200, { data });
    });
    assert.deepEqual(await embed(await open(), 'a', 'bb', 'ccc'), [unit('a'), unit('bb'), unit('ccc')]);
  });

  const data = (...embeddings: unknown[]): Answer => {
    return (_, response) =>
      respond(response, 200, { data: embeddings.map((embedding, index) => ({ index, embedding })) });
  };
  const nonsense: Record<string, Answer> = {
    'too few embeddings': data([1, 0, 0]),
    'the wrong width': data([1, 0, 0], [1, 0]),
    'a vector of zeros': data([1, 0, 0], [0, 0, 0]),
    'what is no number': data([1, 0, 0], Buffer.from(Float32Array.of(1, NaN, 0).buffer).toString('base64')),
    'what is no number in JSON': data([1, 0, 0], [1, null, 0]),
    'the same index twice': (_, response) =>
      respond(response, 200, { data: [0, 0].map((index) => ({ index, embedding: [1, 0, 0] })) }),
    'something else altogether': (_, response) => respond(response, 200, { hello: 'there' }),
  };
  for (const [what, answer] of Object.entries(nonsense)) {
    it(`refuses ${what}, and does not ask again`, async () => {
      server.answers.push(answer);
      await assert.rejects(embed(await open(), 'a', 'bb'), (error) => {
        assert.ok(error instanceof EmbeddingError);
        assert.equal(error.retryable, false);
        return true;
      });
      assert.equal(server.requests.length, 1);
    });
  }

  it('tries again after 429, 500, a broken connection and an answer that is no JSON', async () => {
    server.answers.push(
      (_, response) => respond(response, 429, { error: { code: 'rate_limit_exceeded' } }, { 'retry-after': '0' }),
      (_, response) => respond(response, 500, {}),
      (_, response) => response.destroy(),
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>busy</p>'),
    );
    assert.deepEqual(await embed(await open(), 'a'), [unit('a')]);
    assert.equal(server.requests.length, 5);
  });

  it('waits as long as Retry-After says, in seconds or as a date', async () => {
    const date = new Date(Date.now() + 2_000).toUTCString();
    const askedAt: number[] = [];
    const refuse = (status: number, retryAfter: string): Answer => {
      return (_, response) => {
        askedAt.push(Date.now());
        respond(response, status, {}, { 'retry-after': retryAfter });
      };
    };
    server.answers.push(refuse(429, '1'), refuse(503, date), (body, response) => {
      askedAt.push(Date.now());
      numbersAnswer(body, response);
    });
    await embed(await open(), 'a');
    const [first = 0, second = 0, third = 0] = askedAt;
    // Timers may be early by a millisecond.
    assert.ok(second - first >= 990, `${second - first} ms`);
    assert.ok(third >= Date.parse(date) - 10, `${third - Date.parse(date)} ms`);
  });

  it('hands a long Retry-After to its caller', async () => {
    server.answers.push((_, response) => respond(response, 429, {}, { 'retry-after': '120' }));
    await assert.rejects(embed(await open(), 'a'), { retryable: true, retryAfterMs: 120_000 });
    assert.equal(server.requests.length, 1);
  });

  it('keeps a search waiting for one more try only', async () => {
    for (let i = 0; i < 5; i++) server.answers.push((_, response) => respond(response, 503, {}));
    const embedder = await open();
    await assert.rejects(embedder.embed(['a'], { purpose: 'query' }), { retryable: true });
    assert.equal(server.requests.length, 2);
  });

  it('probes once, without patience', async () => {
    server.answers.push((_, response) => respond(response, 503, {}));
    await assert.rejects((await open()).probe(), { retryable: true });
    assert.equal(server.requests.length, 1);
  });

  it('blames no text for a bad key, and says nothing of key or text', async () => {
    const refuse: Answer = (_, response) =>
      respond(response, 401, { error: { code: 'invalid_api_key', message: `Incorrect API key provided: ${KEY}` } });
    server.answers.push(...Array.from({ length: 5 }, () => refuse));
    await assert.rejects(embed(await open(), 'confidential words'), (error) => {
      assert.ok(error instanceof EmbeddingError);
      assert.equal(error.message, 'the embedding service answered 401 (invalid_api_key)');
      assert.equal(error.retryable, true);
      assert.doesNotMatch(inspect(error, { depth: 10 }), /secret|confidential/);
      return true;
    });
  });

  it('sends texts to no other place than the configured one', async () => {
    const other = await startEmbeddingsServer();
    server.answers.push((_, response) => respond(response, 307, {}, { location: `${other.baseUrl}/embeddings` }));
    const outcome = await embed(await open(), 'a').catch((error: Error) => error.message);
    await other.close();
    assert.equal(outcome, 'the embedding service answered 307');
    assert.equal(other.requests.length, 0);
  });

  it('gives a slow server only so long, and tries again', async () => {
    const never: Answer = () => undefined;
    const slowly: Answer = (_, response) => void response.writeHead(200).write('{"data":[');
    server.answers.push(never, slowly);
    assert.deepEqual(await embed(await open({ timeoutMs: 200 }), 'a'), [unit('a')]);
    assert.equal(server.requests.length, 3);
  });

  it('stops when told to, with the reason: before, during and between requests', async () => {
    const embedder = await open();
    const reason = new Error('enough');
    await assert.rejects(embedder.embed(['a'], { purpose: 'document', signal: AbortSignal.abort(reason) }), reason);
    assert.equal(server.requests.length, 0);
    const answers: Answer[] = [() => undefined, (_, response) => respond(response, 429, {}, { 'retry-after': '25' })];
    for (const answer of answers) {
      const controller = new AbortController();
      server.answers.push((body, response) => {
        answer(body, response);
        setImmediate(() => controller.abort(reason));
      });
      await assert.rejects(embedder.embed(['a'], { purpose: 'document', signal: controller.signal }), reason);
    }
  });

  it('says that nobody is there', async () => {
    await server.close();
    await assert.rejects(embed(await open(), 'a'), {
      message: 'the embedding service could not be reached',
      retryable: true,
    });
    server = await startEmbeddingsServer();
  });

  it('ends calls when it is closed', async () => {
    const embedder = await open();
    server.answers.push(() => void embedder.close());
    await assert.rejects(embed(embedder, 'a'), /closed/);
  });

  it('refuses an address or a key that can not be sent, and shows neither', async () => {
    await assert.rejects(open({ baseUrl: 'http://me:hidden@127.0.0.1/v1' }), (error: Error) => {
      return !inspect(error).includes('hidden');
    });
    await assert.rejects(open({ apiKey: 'hidden\nkey' }), (error: Error) => !inspect(error).includes('hidden'));
  });
});

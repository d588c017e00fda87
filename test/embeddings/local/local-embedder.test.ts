import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Embedder, EmbeddingError } from '../../../src/embeddings/embedder.ts';
import { openLocalEmbedder } from '../../../src/embeddings/local/local-embedder.ts';
import { cosine } from '../cosine.ts';

const PASSAGES = [
  'Bees collect nectar from flowers and turn it into honey inside the hive.',
  'The central bank raised its interest rate by a quarter of a percentage point.',
  'A sourdough starter is fed with flour and water until it doubles in size.',
  'The spacecraft entered orbit around Mars after a journey of seven months.',
];
const LONG = PASSAGES.join(' ').repeat(10);

describe('the local embedder', function () {
  this.timeout(120_000);
  let cacheDir: string;
  let embedder: Embedder;

  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'embedder-'));
    embedder = await openLocalEmbedder({ cacheDir, threads: 2 });
  });
  after(async () => {
    await embedder.close();
    await rm(cacheDir, { recursive: true });
  });

  const embedOne = async (text: string) =>
    (await embedder.embed([text], { purpose: 'query' }))[0] ?? new Float32Array();

  it('tells of each text that is done', async () => {
    let done = 0;
    await embedder.embed(PASSAGES, { purpose: 'document', onProgress: () => (done += 1) });
    assert.equal(done, PASSAGES.length);
  });

  it('says what its vectors are', async () => {
    assert.equal(embedder.provider, 'local');
    assert.deepEqual(embedder.space.current, { model: 'all-MiniLM-L6-v2', dimensions: 384 });
    assert.equal(await embedder.probe(), 384);
    assert.equal((await embedOne('hello')).length, 384);
  });

  it('gives a text the same vector whatever stands beside it, in the order of the texts', async () => {
    const alone = [];
    for (const passage of PASSAGES) alone.push(await embedOne(passage));
    assert.deepEqual(await embedder.embed(PASSAGES, { purpose: 'document' }), alone);
    const among = await embedder.embed([LONG, ...PASSAGES.toReversed(), LONG], { purpose: 'document' });
    assert.deepEqual(among.slice(1, -1).toReversed(), alone);
  });

  it('puts a question nearest to the passage that answers it', async () => {
    const passages = await embedder.embed(PASSAGES, { purpose: 'document' });
    const questions = [
      'How is honey made?',
      'monetary policy decision',
      'baking bread with wild yeast',
      'mission to another planet',
    ];
    for (const [expected, question] of questions.entries()) {
      const vector = await embedOne(question);
      const closeness = passages.map((passage) => cosine(vector, passage));
      assert.equal(closeness.indexOf(Math.max(...closeness)), expected, question);
    }
  });

  it('takes no text, an empty text, and one that is far too long', async () => {
    assert.deepEqual(await embedder.embed([], { purpose: 'document' }), []);
    const [empty, long, longer] = await embedder.embed(['', LONG, LONG + LONG], { purpose: 'document' });
    assert.ok(empty?.every(Number.isFinite));
    assert.deepEqual(long, longer);
  });

  it('lets a short call pass while a long one goes on', async () => {
    // With one thread, what is queued behind all of the long call could only end after it.
    const single = await openLocalEmbedder({ cacheDir, threads: 1 });
    const ended: string[] = [];
    const long = single.embed(new Array(10).fill(LONG), { purpose: 'document' }).then(() => ended.push('long'));
    const short = single.embed(['short'], { purpose: 'query' }).then(() => ended.push('short'));
    await Promise.all([long, short]);
    await single.close();
    assert.deepEqual(ended, ['short', 'long']);
  });

  it('stops when told to, with the reason, and goes on with the next call', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = embedder.embed(new Array(200).fill(LONG), { purpose: 'document', signal: controller.signal });
    await setImmediate();
    controller.abort(reason);
    await assert.rejects(stopped, reason);
    assert.equal((await embedOne('next')).length, 384);
  });

  it('leaves the event loop free', async () => {
    let turns = 0;
    let embedding = true;
    const counting = (async () => {
      for (; embedding; turns++) await setImmediate();
    })();
    await embedder.embed([LONG, LONG, LONG, LONG], { purpose: 'document' });
    embedding = false;
    await counting;
    assert.ok(turns > 100, `${turns} turns`);
  });

  it("keeps the parent's --import out of its threads", async () => {
    const imported = `data:text/javascript,import { isMainThread } from 'node:worker_threads';
      console.log(isMainThread ? 'main' : 'thread');`;
    const module = import.meta.resolve('../../../src/embeddings/local/local-embedder.ts');
    const script = `import { openLocalEmbedder } from '${module}';
      const embedder = await openLocalEmbedder({ cacheDir: process.argv[1] });
      await embedder.close();`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      imported,
      '--input-type=module',
      '--eval',
      script,
      cacheDir,
    ]);
    assert.equal(stdout.trim(), 'main');
  });

  it('ends the calls that are under way when it is closed, and refuses later ones', async () => {
    const closed = await openLocalEmbedder({ cacheDir });
    const interrupted = closed.embed(new Array(50).fill(LONG), { purpose: 'document' });
    const closing = closed.close();
    await assert.rejects(interrupted, EmbeddingError);
    await closing;
    await assert.rejects(closed.embed(['late'], { purpose: 'query' }), EmbeddingError);
  });
});

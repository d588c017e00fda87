import assert from 'node:assert/strict';
import { candidateTerms, searchByKeywords } from '../../src/search/keyword.ts';
import type { Scope } from '../../src/search/scope.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { addDocument, type GivenDocument, randomSource, randomText, replaceDocument } from './corpus.ts';

describe('keyword search', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openTestDatabase({ dimensions: 3 });
  });
  afterEach(() => database.close());

  const find = (query: string, scope: Scope = {}) => searchByKeywords(database.pool, { query, scope, depth: 100 });

  /** A document of one chunk. */
  const add = async (text: string, given: Omit<GivenDocument, 'chunks'> = {}) =>
    (await addDocument(database.pool, { ...given, chunks: [{ text }] })).documentId;

  const found = async (query: string, scope?: Scope) => (await find(query, scope)).map(({ documentId }) => documentId);

  it('ranks by BM25', async () => {
    const random = randomSource(3);
    const texts = Array.from({ length: 60 }, () => randomText(random, 5 + Math.floor(random() * 60)));
    const ids = new Map<string, string>();
    for (const text of texts) ids.set(await add(text), text);
    const query = `${randomText(random, 12)} w1q w1q`;
    const hits = await find(query);
    const expected = new Map(texts.map((text) => [text, bm25(query, text, texts)]));
    assert.ok(hits.length > 30);
    assert.equal(hits.length, [...expected.values()].filter((score) => score > 0).length);
    for (const { documentId, score } of hits) {
      const right = expected.get(ids.get(documentId) ?? '') ?? Number.NaN;
      assert.ok(Math.abs(score / right - 1) < 0.01, `${score} is not ${right}`);
    }
    assert.deepEqual(
      hits,
      hits.toSorted((a, b) => b.score - a.score),
    );
  });

  it('finds any of the words, the rarer first', async () => {
    const [common, rare] = [await add('tide table'), await add('moon table')];
    await add('tide water');
    await add('neither here nor there');
    assert.deepEqual((await found('which moon, which tide?')).slice(0, 2), [rare, common]);
  });

  it('weighs a word by how often it is asked for', async () => {
    const [once, twice] = [await add('tide'), await add('moon')];
    assert.deepEqual(await found('tide moon moon'), [twice, once]);
    assert.deepEqual(await found('tide tide moon'), [once, twice]);
  });

  it('weighs words by the collection that is searched, whatever others hold', async () => {
    await add('tide', { collection: 'a' });
    for (let index = 0; index < 5; index += 1) await add('moon and sun', { collection: 'a' });
    const alone = await find('moon tide', { collection: 'a' });
    assert.equal(alone.length, 6);
    for (let index = 0; index < 20; index += 1) await add('tide in a longer text', { collection: 'b' });
    assert.deepEqual(await find('moon tide', { collection: 'a' }), alone);
    const [rarestHere] = alone;
    const [rarestAnywhere] = await find('moon tide');
    assert.notEqual(rarestAnywhere?.documentId, rarestHere?.documentId);
  });

  it('finds nothing for stop words, unknown words and signs', async () => {
    await add('the tide is here');
    for (const query of ['the is and', 'zeppelin', "!?' & | \\ :* <->", '']) assert.deepEqual(await find(query), []);
  });

  it('takes the words of a hostile query for words', async () => {
    const id = await add(`it's a:b c\\d ('e' & f) http://example.com/'x' tide`);
    for (const query of [`it's 'tide`, `tide':*`, `'); DROP TABLE chunks; -- tide`, `tide \\' | !`])
      assert.deepEqual(await found(query), [id], query);
    assert.deepEqual(await found(`example.com/'x'`), [id]);
  });

  it('answers a query as long as they get', async () => {
    const id = await add('tide and 4 more');
    const query = Array.from({ length: 700 }, (_, index) => `w${index}`).join(' ');
    assert.deepEqual(await found(`${query} tide`), [id]);
  });

  it('does not see chunks that are being stored, nor those that were replaced', async () => {
    await addDocument(database.pool, { hidden: true, chunks: [{ text: 'tide' }] });
    assert.deepEqual(await found('tide'), []);
    const old = await addDocument(database.pool, { chunks: [{ text: 'tide moon' }] });
    await replaceDocument(database.pool, old, [{ text: 'tide sun' }]);
    assert.deepEqual(await found('tide'), [old.documentId]);
    assert.deepEqual(await found('moon'), []);
  });

  it('filters by metadata: a value, one of several, an element of an array', async () => {
    const paper = await add('tide', { metadata: { year: 2024, tags: ['moon', 'sea'], draft: false } });
    const note = await add('tide', { metadata: { year: 1999, tags: 'sea', 'a "b" \\c': 'x' } });
    const both = [paper, note].sort();
    const filtered = async (filter: NonNullable<Scope['filter']>) => (await found('tide', { filter })).sort();
    assert.deepEqual(await filtered({}), both);
    assert.deepEqual(await filtered({ year: 2024 }), [paper]);
    assert.deepEqual(await filtered({ year: [1999, 2024] }), both);
    assert.deepEqual(await filtered({ tags: 'sea' }), both);
    assert.deepEqual(await filtered({ tags: ['moon', 'stars'] }), [paper]);
    assert.deepEqual(await filtered({ tags: 'sea', year: 1999 }), [note]);
    assert.deepEqual(await filtered({ draft: false }), [paper]);
    assert.deepEqual(await filtered({ 'a "b" \\c': 'x' }), [note]);
    for (const nothing of [
      { year: '2024' },
      { tags: 'mo' },
      { other: 1 },
      { draft: 'false' },
      { tags: 'x" || "1" == "1' },
    ])
      assert.deepEqual(await filtered(nothing), []);
  });
});

describe('candidate terms', () => {
  const term = (lexeme: string, chunks: number) => ({ lexeme, chunks, weight: 1 });
  const chosen = (counts: number[], budget: number) =>
    candidateTerms(
      counts.map((chunks, index) => term(String(index), chunks)),
      budget,
    ).map(({ chunks }) => chunks);

  it('are the rarest, as long as they bring no more chunks than the budget', () => {
    assert.deepEqual(chosen([1, 2, 3, 4, 5], 10), [1, 2, 3, 4]);
    assert.deepEqual(chosen([1, 2, 3], 10), [1, 2, 3]);
  });

  it('are two at least', () => {
    assert.deepEqual(chosen([100, 200, 300], 10), [100, 200]);
    assert.deepEqual(chosen([100], 10), [100]);
  });
});

/** Straight from the definition, with words for lexemes: those of `randomText` are their own stems. */
function bm25(query: string, text: string, texts: readonly string[]): number {
  const words = (of: string) => of.split(' ');
  const count = (of: string, word: string) => words(of).filter((other) => other === word).length;
  const average = texts.reduce((sum, of) => sum + words(of).length, 0) / texts.length;
  return words(query).reduce((sum, word) => {
    const holding = texts.filter((of) => count(of, word) > 0).length;
    const idf = Math.log(1 + (texts.length - holding + 0.5) / (holding + 0.5));
    const frequency = count(text, word);
    return sum + (idf * frequency * 2.2) / (frequency + 1.2 * (0.25 + (0.75 * words(text).length) / average));
  }, 0);
}

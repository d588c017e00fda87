import assert from 'node:assert/strict';
import { chunkBlocks } from '../../src/ai-worker/chunk.ts';
import { extractedText } from '../../src/ai-worker/outline.ts';
import type { Block } from '../../src/ai-worker/parse/parser.ts';
import { type Chunk, indexedText } from '../../src/documents/job.ts';
import { openTokenizer } from '../../src/embeddings/tokenizer.ts';

/** A word is a token, and so is each sign. */
const countWords = (text: string): number => text.match(/\w+|[^\w\s]/g)?.length ?? 0;
const words = (count: number, word = 'tide'): string => Array.from({ length: count }, () => word).join(' ');
const heading = (text: string, level: number): Block => ({ kind: 'heading', level, text });
const text = (content: string, page?: number): Block => ({
  kind: 'text',
  text: content,
  ...(page === undefined ? {} : { page }),
});
const row = (content: string): Block => ({ kind: 'row', text: content });

const chunk = (blocks: Block[], maxTokens = 52, overlapTokens = 8): Chunk[] =>
  chunkBlocks(blocks, { countTokens: countWords, maxTokens, overlapTokens });

/** What holds for every chunk of every document. */
function assertSound(blocks: Block[], chunks: Chunk[], { countTokens = countWords, maxTokens = 52 } = {}): void {
  const whole = extractedText(blocks);
  let covered = 0;
  for (const [index, { text, startOffset, endOffset, tokens }] of chunks.entries()) {
    const chunk = chunks[index] as Chunk;
    assert.equal(text, whole.slice(startOffset, endOffset), 'the offsets point at the text');
    assert.equal(text, text.trim());
    assert.notEqual(text, '');
    assert.equal(tokens, countTokens(indexedText(chunk)), 'tokens are those of the indexed text');
    assert.ok(tokens <= maxTokens - 2, `${tokens} tokens`);
    const skipped = whole.slice(covered, Math.max(covered, startOffset));
    const headings = blocks.filter((block) => block.kind === 'heading').map((block) => block.text);
    const rest = skipped.split('\n\n').map((part) => part.trim());
    for (const part of rest)
      assert.ok(part === '' || headings.includes(part), 'only headings are left out of the texts');
    covered = Math.max(covered, endOffset);
  }
  assert.equal(whole.slice(covered).trim(), '', 'the end is covered');
}

describe('chunkBlocks', () => {
  it('keeps a document that fits in one chunk, with its inner headings in the text', () => {
    const blocks = [
      heading('Gull Point', 1),
      text('A light.'),
      heading('Lamp', 2),
      text('Oil.'),
      heading('Horn', 2),
      text('Steam.'),
    ];
    const chunks = chunk(blocks);
    assertSound(blocks, chunks);
    assert.deepEqual(
      chunks.map(({ headings, text }) => ({ headings, text })),
      [{ headings: ['Gull Point'], text: 'A light.\n\nLamp\n\nOil.\n\nHorn\n\nSteam.' }],
    );
  });

  it('fills a chunk to the last token', () => {
    assert.equal(chunk([text(words(25)), text(words(25))]).length, 1);
    assert.equal(chunk([text(words(25)), text(words(26))]).length, 2);
  });

  it('gives each chunk the headings above it, and starts anew at a section that does not fit', () => {
    const blocks = [
      heading('Harbour', 1),
      text(words(20)),
      heading('Tides', 2),
      text(words(30)),
      text(words(30)),
      heading('Pilots', 2),
      text(words(40)),
    ];
    const chunks = chunk(blocks);
    assertSound(blocks, chunks);
    assert.deepEqual(
      chunks.map((chunk) => chunk.headings),
      [['Harbour'], ['Harbour', 'Tides'], ['Harbour', 'Tides'], ['Harbour', 'Pilots']],
    );
  });

  it('merges small sections under the heading that they share', () => {
    const sections = Array.from({ length: 12 }, (_, index) => [heading(`Berth ${index}`, 2), text(words(8))]).flat();
    const blocks = [heading('Berths', 1), ...sections];
    const chunks = chunk(blocks);
    assertSound(blocks, chunks);
    assert.ok(chunks.length <= 5, `${chunks.length} chunks`);
    for (const { headings, text } of chunks) {
      assert.deepEqual(headings, ['Berths']);
      assert.match(text, /^Berth \d+\n\n/);
    }
  });

  it('never mixes the end of a long section with another', () => {
    const blocks = [heading('A', 1), text(words(45)), text(words(10)), heading('B', 1), text(words(4))];
    const chunks = chunk(blocks);
    assertSound(blocks, chunks);
    assert.deepEqual(
      chunks.map((chunk) => chunk.headings),
      [['A'], ['A'], ['B']],
    );
  });

  it('splits a long paragraph at sentences and repeats the last of them', () => {
    const sentences = Array.from(
      { length: 12 },
      (_, index) => `Sentence ${index} tells at some length of the sea and its ${index} ways to the shore. `,
    );
    const blocks = [text(sentences.join('').trim())];
    const chunks = chunk(blocks, 52, 20);
    assertSound(blocks, chunks);
    assert.ok(chunks.length > 2);
    for (const [index, { text, startOffset }] of chunks.entries()) {
      assert.match(text, /^Sentence.*shore\.$/s);
      if (index > 0) assert.ok(startOffset < (chunks[index - 1]?.endOffset ?? 0), 'overlaps the chunk before it');
    }
  });

  it('does not overlap where it parts paragraphs', () => {
    const chunks = chunk([text(words(40)), text(words(40))]);
    assert.ok((chunks[1]?.startOffset ?? 0) >= (chunks[0]?.endOffset ?? 0));
  });

  it('keeps rows whole', () => {
    const blocks = Array.from({ length: 20 }, (_, index) => row(`species: ${words(6)}; store: ${index}`));
    const chunks = chunk(blocks);
    assertSound(blocks, chunks);
    for (const { text } of chunks) for (const line of text.split('\n\n')) assert.match(line, /^species: .*store: \d+$/);
  });

  it('carries pages, and ends a filled chunk with its page', () => {
    const blocks = [text(words(30), 1), text(words(6), 2), text(words(30), 2), text(words(4), 3)];
    const chunks = chunk(blocks);
    assertSound(blocks, chunks);
    assert.deepEqual(
      chunks.map((chunk) => chunk.page),
      [1, 2, 3],
    );
  });

  it('cuts words that no model could read, between characters', () => {
    const blocks = [heading('Code', 1), text(`${'😀'.repeat(3000)} end`)];
    const countTokens = (content: string) => [...content].filter((character) => character.trim() !== '').length;
    const chunks = chunkBlocks(blocks, { countTokens, maxTokens: 52, overlapTokens: 8 });
    for (const { text, tokens } of chunks) {
      assert.ok(text.isWellFormed());
      assert.ok(tokens <= 50);
    }
    assert.match(chunks.at(-1)?.text ?? '', /end$/);
  });

  it('cuts headings that leave no room, and keeps headings without text', () => {
    const long = heading(words(300, 'very'), 1);
    const blocks = [long, heading('Tides', 2), text(words(80)), heading('Empty', 1)];
    const chunks = chunk(blocks);
    assert.equal(chunks.at(-1)?.text, 'Empty');
    for (const { tokens, text } of chunks) assert.ok(tokens <= 50 && text.length > 0);
    assert.deepEqual(chunks.at(-2)?.headings.at(-1), 'Tides');
  });

  it('is sound on any mixture, counted with the tokenizer of the model', () => {
    const tokenizer = openTokenizer();
    const countTokens = (content: string) => tokenizer.countTokens(content);
    const random = seeded(7);
    const maxTokens = 64;
    for (let round = 0; round < 40; round++) {
      const blocks = Array.from({ length: 1 + random(30) }, () => randomBlock(random));
      const chunks = chunkBlocks(blocks, { countTokens, maxTokens, overlapTokens: 12 });
      assertSound(blocks, chunks, { countTokens, maxTokens });
    }
  });

  it('lets no white space make a chunk endless', () => {
    const gap = ' '.repeat(100_000);
    const chunks = chunkBlocks([text(`one${gap}two${gap}${words(300, 'sea')}`)], { countTokens: countWords });
    assert.deepEqual(
      chunks.slice(0, 2).map((chunk) => chunk.text),
      ['one', 'two'],
    );
    for (const chunk of chunks) assert.ok(chunk.text.length < 5_000, String(chunk.text.length));
  });

  it('takes a single line of many megabytes in linear time', () => {
    let counted = 0;
    const countTokens = (content: string) => {
      counted += content.length;
      return Math.ceil(content.length / 5);
    };
    for (const line of ['x'.repeat(4e6), words(1e6, 'sea'), words(1e5, 'The sea. ')]) {
      counted = 0;
      const chunks = chunkBlocks([text(line)], { countTokens });
      assert.ok(counted < 2.5 * line.length, `counted ${counted / line.length} times its length`);
      for (const { tokens } of chunks) assert.ok(tokens <= 254);
    }
  });
});

/** The same numbers at each run: an integer below `limit`. */
function seeded(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * limit);
  };
}

function randomBlock(random: (limit: number) => number): Block {
  const vocabulary = ['harbour', 'lamp', 'paraffin', '1874', 'Gull', 'e.g.', 'Sea.', 'ähre', '灯台', 'x'.repeat(40)];
  const some = (limit: number) =>
    Array.from({ length: 1 + random(limit) }, () => vocabulary[random(vocabulary.length)]).join(' ');
  if (random(4) === 0) return { kind: 'heading', level: 1 + random(4), text: some(6) };
  return { kind: random(3) === 0 ? 'row' : 'text', text: some(random(5) === 0 ? 200 : 20) };
}

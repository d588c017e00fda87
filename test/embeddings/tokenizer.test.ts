import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { TOKENIZER_PATH } from '../../src/embeddings/local/model-package.ts';
import { openTokenizer, type Tokenizer } from '../../src/embeddings/tokenizer.ts';

const CLS = 101;
const SEP = 102;

describe('the tokenizer', () => {
  let tokenizer: Tokenizer;
  let library: HuggingFaceTokenizer;
  before(() => {
    tokenizer = openTokenizer();
    library = new HuggingFaceTokenizer(JSON.parse(readFileSync(TOKENIZER_PATH, 'utf8')), {});
  });

  it('puts a text between [CLS] and [SEP]', () => {
    assert.deepEqual(tokenizer.encode('Hello, world!'), [CLS, 7592, 1010, 2088, 999, SEP]);
    assert.deepEqual(tokenizer.encode(''), [CLS, SEP]);
  });

  it('gives the tokens of the library', () => {
    const texts = [
      'Uncharacteristically, antidisestablishmentarianism prevailed: 1,024.5 µg/kg (p < .05).',
      'Ünïcödé, ΕΛΛΗΝΙΚΆ, русский язык, 漢字かな交じり文, 한국어, ไทย, हिन्दी, 😀 👩‍👩‍👧, a\u0000b\u200bc',
      'supercalifragilisticexpialidocious'.repeat(2),
      'x'.repeat(100),
      'x'.repeat(101),
      'tabs\tand\r\nlines [SEP] and ##pieces',
    ];
    for (const text of texts) assert.deepEqual(tokenizer.encode(text), library.encode(text).ids, text);
  });

  it('cuts a long text at 256 tokens and keeps [SEP]', () => {
    const text = 'one two three '.repeat(10_000);
    const whole = library.encode(text.slice(0, 5_000)).ids;
    assert.deepEqual(tokenizer.encode(text), [...whole.slice(0, 255), SEP]);
    assert.equal(tokenizer.maxContentTokens, 254);
  });

  it('counts without [CLS] and [SEP], and adds up over white space', () => {
    assert.equal(tokenizer.countTokens('Hello, world!'), 4);
    assert.equal(tokenizer.countTokens(' \n\t '), 0);
    const [one, other] = ['naïve cafés — 12 of them\n', 'serve 東京-style toast.'];
    assert.equal(tokenizer.countTokens(`${one} ${other}`), tokenizer.countTokens(one) + tokenizer.countTokens(other));
  });

  it('counts a text of any length as the library does', () => {
    const texts = [
      'A sentence of nine words, repeated rather often. '.repeat(400),
      'longwordswithoutanyspace-'.repeat(500),
      '漢字'.repeat(5_000),
      ' '.repeat(20_000),
      'a'.repeat(20_000),
    ];
    for (const text of texts) {
      assert.equal(tokenizer.countTokens(text), library.encode(text, { add_special_tokens: false }).ids.length);
    }
  });

  // Not a measurement: where one word cost the square of its text, this would take hours.
  it('is done with 300,000 characters of any kind', function () {
    this.timeout(60_000);
    for (const piece of ['a', '漢', '.', '[SEP', `${'xyz'.repeat(33)} `]) {
      const text = piece.repeat(Math.ceil(300_000 / piece.length));
      assert.equal(tokenizer.encode(text).at(-1), SEP);
      assert.ok(tokenizer.countTokens(text) > 0);
    }
  });
});

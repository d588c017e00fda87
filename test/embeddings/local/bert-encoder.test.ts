import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { buildBertEncoder, type Precision } from '../../../src/embeddings/local/bert-encoder.ts';
import { openEncoder } from '../../../src/embeddings/local/encoder.ts';
import { CONFIG_PATH, WEIGHTS_PATH } from '../../../src/embeddings/local/model-package.ts';
import { readSafetensors } from '../../../src/embeddings/local/safetensors.ts';
import { openTokenizer } from '../../../src/embeddings/tokenizer.ts';
import { cosine } from '../cosine.ts';

// Sentences and cosines of the model from the documentation of its authors: https://sbert.net/docs/quickstart.html
const SENTENCES = ['The weather is lovely today.', "It's so sunny outside!", 'He drove to the stadium.'];
const PUBLISHED = [
  { one: 0, other: 1, cosine: 0.666 },
  { one: 0, other: 2, cosine: 0.1046 },
  { one: 1, other: 2, cosine: 0.1411 },
];

async function vectorsBy(precision: Precision): Promise<Float32Array[]> {
  const config = JSON.parse(await readFile(CONFIG_PATH, 'utf8'));
  const encode = await openEncoder(buildBertEncoder(await readSafetensors(WEIGHTS_PATH), config, precision));
  const tokenizer = openTokenizer();
  const vectors: Float32Array[] = [];
  for (const sentence of SENTENCES) vectors.push(await encode(tokenizer.encode(sentence)));
  return vectors;
}

describe('the BERT encoder', function () {
  this.timeout(60_000);
  const built = new Map<Precision, Float32Array[]>();
  const vector = (precision: Precision, i: number) => built.get(precision)?.[i] ?? new Float32Array();

  before(async () => {
    for (const precision of ['f32', 'int8'] as const) built.set(precision, await vectorsBy(precision));
  });

  it('gives the cosines that the authors of the model publish, in f32', () => {
    for (const pair of PUBLISHED) {
      const found = cosine(vector('f32', pair.one), vector('f32', pair.other));
      assert.ok(Math.abs(found - pair.cosine) < 0.002, `${found} is not ${pair.cosine}`);
    }
  });

  it('gives vectors of unit length and the width of the model', () => {
    for (const precision of ['f32', 'int8'] as const) {
      const one = vector(precision, 0);
      assert.equal(one.length, 384);
      assert.ok(Math.abs(cosine(one, one) - 1) < 1e-5);
    }
  });

  it('says which weight is missing', () => {
    assert.throws(
      () =>
        buildBertEncoder(
          new Map(),
          {
            hidden_size: 384,
            num_attention_heads: 12,
            num_hidden_layers: 6,
            intermediate_size: 1536,
            layer_norm_eps: 1e-12,
            vocab_size: 30522,
            max_position_embeddings: 512,
          },
          'f32',
        ),
      /no weight named embeddings\.word_embeddings\.weight/,
    );
  });
});

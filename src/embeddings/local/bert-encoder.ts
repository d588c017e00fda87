import { DATA_TYPE, OnnxGraph, type Value } from './onnx-graph.ts';
import { quantizeColumns, transpose } from './quantize.ts';
import type { Weight } from './safetensors.ts';

/** What is read of a BERT model's `config.json`. */
export interface BertConfig {
  hidden_size: number;
  num_attention_heads: number;
  num_hidden_layers: number;
  intermediate_size: number;
  layer_norm_eps: number;
  vocab_size: number;
  max_position_embeddings: number;
}

/** How the linear layers calculate. */
export type Precision = 'int8' | 'f32';

/** Names of the model's inputs and output. */
export const INPUT_IDS = 'input_ids';
export const SENTENCE_EMBEDDING = 'sentence_embedding';

/**
 * Builds a BERT sentence encoder (mean pooling, unit length) as an ONNX model file for texts of one length:
 * `input_ids` int32 [batch, tokens] -> `sentence_embedding` float [batch, hidden size]. It takes no attention mask,
 * as int8 activations are scaled over the whole batch: only one text a call gives a text the same vector each time.
 * @throws Error when a weight is missing.
 */
export function buildBertEncoder(
  weights: ReadonlyMap<string, Weight>,
  config: BertConfig,
  precision: Precision,
): Uint8Array {
  const layers = new BertLayers(weights, config, precision);
  let hidden = layers.embeddings();
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    hidden = layers.feedForward(layers.attention(hidden, `encoder.layer.${layer}`), `encoder.layer.${layer}`);
  }
  layers.sentence(hidden);
  return layers.graph.toModel({
    inputs: [{ name: INPUT_IDS, type: DATA_TYPE.int32, shape: ['batch', 'tokens'] }],
    output: { name: SENTENCE_EMBEDDING, type: DATA_TYPE.float, shape: ['batch', config.hidden_size] },
  });
}

/** The parts of the encoder. Each adds its nodes to the graph and returns the value that leaves it. */
class BertLayers {
  readonly graph = new OnnxGraph();
  readonly #weights: ReadonlyMap<string, Weight>;
  readonly #config: BertConfig;
  readonly #precision: Precision;
  readonly #shared: { one: Value; half: Value; sqrt2: Value; scale: Value; heads: Value; joined: Value };

  constructor(weights: ReadonlyMap<string, Weight>, config: BertConfig, precision: Precision) {
    this.#weights = weights;
    this.#config = config;
    this.#precision = precision;
    const headSize = config.hidden_size / config.num_attention_heads;
    this.#shared = {
      one: this.graph.scalar(1),
      half: this.graph.scalar(0.5),
      sqrt2: this.graph.scalar(Math.SQRT2),
      scale: this.graph.scalar(Math.sqrt(headSize)),
      // 0 keeps the size of that axis.
      heads: this.graph.integers(0, 0, config.num_attention_heads, headSize),
      joined: this.graph.integers(0, 0, config.hidden_size),
    };
  }

  /** Words + positions + segment, normalised. */
  embeddings(): Value {
    const { graph } = this;
    const { hidden_size, vocab_size, max_position_embeddings } = this.#config;
    const words = graph.constant([vocab_size, hidden_size], this.#weight('embeddings.word_embeddings.weight'));
    // A single text is segment 0 throughout, so its vector goes into each position's.
    const segment = this.#weight('embeddings.token_type_embeddings.weight').subarray(0, hidden_size);
    const positions = this.#weight('embeddings.position_embeddings.weight').map(
      (value, i) => value + (segment[i % hidden_size] ?? Number.NaN),
    );
    const tokens = graph.node('Slice', [graph.node('Shape', [INPUT_IDS]), graph.integers(1), graph.integers(2)]);
    const positioned = graph.node('Slice', [
      graph.constant([max_position_embeddings, hidden_size], positions),
      graph.integers(0),
      tokens,
    ]);
    const sum = graph.node('Add', [graph.node('Gather', [words, INPUT_IDS]), positioned]);
    return this.#layerNorm(sum, 'embeddings.LayerNorm');
  }

  /** Multi-head self-attention with its residual. */
  attention(input: Value, layer: string): Value {
    const { graph } = this;
    const { scale, joined } = this.#shared;
    const query = this.#head(input, `${layer}.attention.self.query`, [0, 2, 1, 3]);
    const keyTransposed = this.#head(input, `${layer}.attention.self.key`, [0, 2, 3, 1]);
    const value = this.#head(input, `${layer}.attention.self.value`, [0, 2, 1, 3]);
    const scores = graph.node('Div', [graph.node('MatMul', [query, keyTransposed]), scale]);
    const shares = graph.node('Softmax', [scores], { attributes: { axis: { int: 3 } } });
    const mixed = graph.node('Transpose', [graph.node('MatMul', [shares, value])], {
      attributes: { perm: { ints: [0, 2, 1, 3] } },
    });
    const output = this.#linear(graph.node('Reshape', [mixed, joined]), `${layer}.attention.output.dense`);
    return this.#layerNorm(graph.node('Add', [output, input]), `${layer}.attention.output.LayerNorm`);
  }

  /** The two linear layers after attention, with GELU between them and a residual. */
  feedForward(input: Value, layer: string): Value {
    const inner = this.#gelu(this.#linear(input, `${layer}.intermediate.dense`));
    const output = this.#linear(inner, `${layer}.output.dense`);
    return this.#layerNorm(this.graph.node('Add', [output, input]), `${layer}.output.LayerNorm`);
  }

  /** Mean over the tokens, of unit length. */
  sentence(hidden: Value): Value {
    const mean = this.graph.node('ReduceMean', [hidden], { attributes: { axes: { ints: [1] }, keepdims: { int: 0 } } });
    return this.graph.node('LpNormalization', [mean], {
      attributes: { axis: { int: 1 }, p: { int: 2 } },
      output: SENTENCE_EMBEDDING,
    });
  }

  #weight(name: string): Float32Array {
    const weight = this.#weights.get(name);
    if (weight === undefined) throw new Error(`the model has no weight named ${name}`);
    return weight.values;
  }

  #vector(name: string): Value {
    const values = this.#weight(name);
    return this.graph.constant([values.length], values);
  }

  #layerNorm(input: Value, name: string): Value {
    return this.graph.node(
      'LayerNormalization',
      [input, this.#vector(`${name}.weight`), this.#vector(`${name}.bias`)],
      {
        attributes: { epsilon: { float: this.#config.layer_norm_eps } },
      },
    );
  }

  /** Weights are stored `[outputs, inputs]`, as PyTorch has them. */
  #linear(input: Value, name: string): Value {
    const { graph } = this;
    const bias = this.#vector(`${name}.bias`);
    const outputs = this.#weight(`${name}.bias`).length;
    const stored = this.#weight(`${name}.weight`);
    const inputs = stored.length / outputs;
    const matrix = transpose(stored, outputs, inputs);
    if (this.#precision === 'f32') {
      return graph.node('Add', [graph.node('MatMul', [input, graph.constant([inputs, outputs], matrix)]), bias]);
    }
    const { values, scales } = quantizeColumns(matrix, outputs);
    const noZeroPoint = '';
    return graph.node(
      'DynamicQuantizeMatMul',
      [input, graph.constant([inputs, outputs], values), graph.constant([outputs], scales), noZeroPoint, bias],
      { domain: 'com.microsoft' },
    );
  }

  #head(input: Value, name: string, permutation: readonly number[]): Value {
    const split = this.graph.node('Reshape', [this.#linear(input, name), this.#shared.heads]);
    return this.graph.node('Transpose', [split], { attributes: { perm: { ints: permutation } } });
  }

  /** x * (erf(x / sqrt 2) + 1) / 2: the exact form, which the model was trained with. */
  #gelu(input: Value): Value {
    const { graph } = this;
    const { one, half, sqrt2 } = this.#shared;
    const erf = graph.node('Erf', [graph.node('Div', [input, sqrt2])]);
    return graph.node('Mul', [graph.node('Mul', [input, graph.node('Add', [erf, one])]), half]);
  }
}

import { bytesField, floatField, integerField, type Message, messageField } from './protobuf.ts';

/** Name of a value that flows through the graph: an input, a constant or the output of a node. */
export type Value = string;

/** An attribute of a node. ONNX tells integers from floats by type, JavaScript does not. */
export type Attribute = { int: number } | { ints: readonly number[] } | { float: number };

/** `TensorProto.DataType` */
export const DATA_TYPE = { float: 1, int8: 3, int32: 6, int64: 7 } as const;
/** `AttributeProto.AttributeType` */
const ATTRIBUTE_TYPE = { float: 1, int: 2, ints: 7 } as const;

const IR_VERSION = 8;
const OPSETS = [
  { domain: '', version: 17 },
  { domain: 'com.microsoft', version: 1 },
] as const;

/** A dimension of an input or output: a size, or a name for one that changes from call to call. */
type Dimension = number | string;

interface Port {
  name: Value;
  type: number;
  shape: readonly Dimension[];
}

/**
 * Assembles an ONNX model node by node, in the order of execution.
 * Field numbers are those of onnx.proto.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
export class OnnxGraph {
  readonly #nodes: Uint8Array[] = [];
  readonly #constants: Uint8Array[] = [];

  /** Adds a constant; its element type is that of the array. */
  constant(shape: readonly number[], data: Float32Array | Int8Array | BigInt64Array): Value {
    const name = `constant_${this.#constants.length}`;
    const type =
      data instanceof Float32Array ? DATA_TYPE.float : data instanceof Int8Array ? DATA_TYPE.int8 : DATA_TYPE.int64;
    this.#constants.push(
      messageField(5, [
        ...shape.map((size) => integerField(1, size)),
        integerField(2, type),
        bytesField(8, name),
        bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ]),
    );
    return name;
  }

  /** A one-dimensional int64 constant: axes, shapes, positions. */
  integers(...values: number[]): Value {
    return this.constant([values.length], BigInt64Array.from(values, BigInt));
  }

  /** A float constant without dimensions. */
  scalar(value: number): Value {
    return this.constant([], Float32Array.of(value));
  }

  /** Adds a node with one output. An empty input stands for an optional one that is left out. */
  node(
    operator: string,
    inputs: readonly Value[],
    { attributes = {}, domain = '', output = `value_${this.#nodes.length}` }: NodeOptions = {},
  ): Value {
    this.#nodes.push(
      messageField(1, [
        ...inputs.map((input) => bytesField(1, input)),
        bytesField(2, output),
        bytesField(4, operator),
        ...Object.entries(attributes).map(([name, attribute]) => messageField(5, attributeMessage(name, attribute))),
        bytesField(7, domain),
      ]),
    );
    return output;
  }

  /** The model file. */
  toModel({ inputs, output }: { inputs: readonly Port[]; output: Port }): Uint8Array {
    const graph = [
      ...this.#nodes,
      bytesField(2, 'encoder'),
      ...this.#constants,
      ...inputs.map((input) => messageField(11, portMessage(input))),
      messageField(12, portMessage(output)),
    ];
    return Buffer.concat([
      integerField(1, IR_VERSION),
      ...OPSETS.map(({ domain, version }) => messageField(8, [bytesField(1, domain), integerField(2, version)])),
      messageField(7, graph),
    ]);
  }
}

interface NodeOptions {
  attributes?: Record<string, Attribute>;
  domain?: string;
  /** Given for the outputs of the model; others get a name of their own. */
  output?: Value;
}

function attributeMessage(name: string, attribute: Attribute): Message {
  if ('ints' in attribute) {
    const values = attribute.ints.map((value) => integerField(8, value));
    return [bytesField(1, name), ...values, integerField(20, ATTRIBUTE_TYPE.ints)];
  }
  if ('float' in attribute) {
    return [bytesField(1, name), floatField(2, attribute.float), integerField(20, ATTRIBUTE_TYPE.float)];
  }
  return [bytesField(1, name), integerField(3, attribute.int), integerField(20, ATTRIBUTE_TYPE.int)];
}

function portMessage({ name, type, shape }: Port): Message {
  const dimensions = shape.map((dimension) =>
    messageField(1, [typeof dimension === 'number' ? integerField(1, dimension) : bytesField(2, dimension)]),
  );
  const tensor = messageField(1, [integerField(1, type), messageField(2, dimensions)]);
  return [bytesField(1, name), messageField(2, [tensor])];
}

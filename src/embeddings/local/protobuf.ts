/**
 * Writer of the protobuf wire format, as much of it as an ONNX file needs.
 * @see https://protobuf.dev/programming-guides/encoding/
 */

/** The fields of a message, each already encoded; repeated fields simply follow each other. */
export type Message = readonly Uint8Array[];

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/** An int32, int64 or enum field; the value is a non-negative safe integer. */
export function integerField(number: number, value: number): Uint8Array {
  return Buffer.concat([varint(number * 8 + VARINT), varint(value)]);
}

/** A float field. */
export function floatField(number: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(number * 8 + FIXED_32), bytes]);
}

/** A string or bytes field. */
export function bytesField(number: number, value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

/** A field that is a message itself. */
export function messageField(number: number, message: Message): Uint8Array {
  return bytesField(number, Buffer.concat(message));
}

/** Base 128, least significant group first, the high bit set on all bytes but the last. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  // Division, not shifts: a shift would cut the value to 32 bits.
  for (; value > 0x7f; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Uint8Array.of(...bytes, value);
}

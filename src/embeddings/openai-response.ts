import { z } from 'zod';
import { EmbeddingError } from './embedder.ts';

/**
 * Answer of `POST /v1/embeddings`. Vectors come as numbers, or as base64 of little-endian float32 where the server
 * knows `encoding_format`.
 * @see https://platform.openai.com/docs/api-reference/embeddings
 */
const responseSchema = z.object({
  data: z.array(z.object({ index: z.int().nonnegative(), embedding: z.union([z.string(), z.array(z.number())]) })),
  usage: z.object({ prompt_tokens: z.int().nonnegative() }).partial().nullish(),
});

export interface Embeddings {
  /** In the order of the inputs, of unit length. */
  vectors: Float32Array[];
  /** Where the server counts them. */
  inputTokens: number | undefined;
}

/** What was asked for. */
export interface Expected {
  count: number;
  /** Undefined while it is not known: then any, as long as all are the same. */
  dimensions: number | undefined;
}

/**
 * Reads the body of an answer.
 * @throws EmbeddingError, not retryable, when it is not what was asked for.
 */
export function readEmbeddings(body: unknown, { count, dimensions }: Expected): Embeddings {
  const { success, data: answer } = responseSchema.safeParse(body);
  if (!success) throw nonsense('is not a list of embeddings');
  if (answer.data.length !== count) throw nonsense(`has ${answer.data.length} embeddings for ${count} texts`);
  const vectors = new Array<Float32Array | undefined>(count);
  for (const { index, embedding } of answer.data) {
    if (index >= count || vectors[index] !== undefined) throw nonsense('does not number its embeddings from 0 on');
    vectors[index] = toUnitLength(typeof embedding === 'string' ? decode(embedding) : Float32Array.from(embedding));
  }
  const found = vectors.filter((vector) => vector !== undefined);
  const width = dimensions ?? found[0]?.length ?? 0;
  for (const { length } of found) {
    if (length !== width) throw nonsense(`has an embedding of ${length} dimensions where ${width} are expected`);
  }
  return { vectors: found, inputTokens: answer.usage?.prompt_tokens };
}

function decode(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length % 4 !== 0) throw nonsense('has an embedding that is not base64 of float32');
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
}

function toUnitLength(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector);
  // NaN and infinities end here too.
  if (!(norm > 0 && Number.isFinite(norm))) throw nonsense('has an embedding without a direction');
  return vector.map((value) => value / norm);
}

function nonsense(what: string): EmbeddingError {
  return new EmbeddingError(`the answer of the embedding service ${what}`, { retryable: false });
}

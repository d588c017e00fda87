import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { INPUT_IDS, SENTENCE_EMBEDDING } from './bert-encoder.ts';

// Else onnxruntime reports its use to its makers, and complains on stderr where it can't. It reads the environment of the
// process when the first session is opened: a thread reaches it with `SHARE_ENV` alone.
process.env['ORT_DISABLE_TELEMETRY'] = '1';
// What fails is thrown; its remarks on the machine would stand between lines of JSON.
env.logLevel = 'fatal';

/** Token ids, `[CLS]` and `[SEP]` included, to a vector of unit length. The same ids give the same vector. */
export type Encoder = (ids: readonly number[]) => Promise<Float32Array>;

/**
 * Loads a model file that `buildBertEncoder` made, by path or content, to run on one CPU thread.
 * Running it blocks the event loop in spite of the promise: only in a worker thread or a process of its own.
 */
export async function openEncoder(model: string | Uint8Array): Promise<Encoder> {
  const options: InferenceSession.SessionOptions = {
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    // Threads that wait for work must not burn the CPU that other processes need.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  // The overloads tell a path from content.
  const session =
    typeof model === 'string'
      ? await InferenceSession.create(model, options)
      : await InferenceSession.create(model, options);
  return async (ids) => {
    const input = new Tensor('int32', Int32Array.from(ids), [1, ids.length]);
    const outputs = await session.run({ [INPUT_IDS]: input });
    const vector = outputs[SENTENCE_EMBEDDING]?.data;
    if (!(vector instanceof Float32Array)) throw new Error(`the model has no float output ${SENTENCE_EMBEDDING}`);
    return vector;
  };
}

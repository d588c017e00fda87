/** Runs in the threads of the local embedder's pool. */
import { workerData } from 'node:worker_threads';
import { openTokenizer } from '../tokenizer.ts';
import { openEncoder } from './encoder.ts';

/** The `workerData` of each thread. */
export interface EmbedTextData {
  modelPath: string;
}

export interface EmbeddedText {
  vector: Float32Array;
  /** Tokens that the model read. */
  tokens: number;
}

let model: ReturnType<typeof openModel> | undefined;

/** Embeds one text. One a call: with int8, a text's vector would depend on its neighbours in a batch. */
export async function embedText(text: string): Promise<EmbeddedText> {
  model ??= openModel();
  const { tokenizer, encode } = await model;
  const ids = tokenizer.encode(text);
  return { vector: await encode(ids), tokens: ids.length };
}

async function openModel() {
  const { modelPath } = workerData as EmbedTextData;
  return { tokenizer: openTokenizer(), encode: await openEncoder(modelPath) };
}

import { mkdir, readFile } from 'node:fs/promises';
import { openTokenizer } from '../tokenizer.ts';
import { type BertConfig, buildBertEncoder } from './bert-encoder.ts';
import { openEncoder } from './encoder.ts';
import { type PreparedModel, writePreparedModel } from './model-cache.ts';
import { CONFIG_PATH, WEIGHTS_PATH } from './model-package.ts';
import { readSafetensors } from './safetensors.ts';

/**
 * int8 is used where no compared text gets a vector further from f32's than this. On 489 abstracts and questions the
 * cosine was .972 to .997 (median .992) on a CPU without VNNI instructions, whose sums of products saturate at 16
 * bits, and retrieval was the same within .005 nDCG@10. What breaks int8 gives cosines far below.
 */
const MIN_COSINE = 0.97;

/**
 * Builds the model file for this machine into `cacheDir`: int8 where it proves equal to f32 here, else f32.
 * Takes seconds of CPU and some 600 MB, and blocks the event loop: for a process of its own (`prepare-model-cli.ts`).
 */
export async function buildLocalModel({ cacheDir }: { cacheDir: string }): Promise<PreparedModel> {
  await mkdir(cacheDir, { recursive: true });
  const weights = await readSafetensors(WEIGHTS_PATH);
  const config: BertConfig = JSON.parse(await readFile(CONFIG_PATH, 'utf8'));
  const f32 = buildBertEncoder(weights, config, 'f32');
  const int8 = buildBertEncoder(weights, config, 'int8');
  const minCosine = await compare(int8, f32);
  return minCosine >= MIN_COSINE
    ? writePreparedModel(cacheDir, { model: int8, precision: 'int8', minCosine })
    : writePreparedModel(cacheDir, { model: f32, precision: 'f32', minCosine });
}

/** The lowest cosine between the vectors that two models give a text; -1 where one gives no number. */
async function compare(one: Uint8Array, other: Uint8Array): Promise<number> {
  const tokenizer = openTokenizer();
  const [encodeOne, encodeOther] = [await openEncoder(one), await openEncoder(other)];
  let lowest = 1;
  for (const text of COMPARED_TEXTS) {
    const ids = tokenizer.encode(text);
    const [a, b] = [await encodeOne(ids), await encodeOther(ids)];
    const cosine = a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
    lowest = Math.min(lowest, Number.isFinite(cosine) ? cosine : -1);
  }
  return lowest;
}

/** A question, prose, names and numbers, code, a table row, another language, and one text that is cut. */
const COMPARED_TEXTS = [
  'How do I restore a database from last night?',
  'The lighthouse keeper wrote down the wind, the tide and the names of all ships that passed before noon.',
  'Invoice 2024-0117, due 31 March: 14 hours at 95.50, travel 212.40, total 1,549.40 plus tax.',
  'export function median(values) { const sorted = values.toSorted((a, b) => a - b); return sorted[values.length >> 1]; }',
  'Region | Quarter | Revenue | Change\nNorth | Q3 | 4.1 million | +12 %',
  'Die Bibliothek schließt im Winter um achtzehn Uhr; Bücher können am Eingang zurückgegeben werden.',
  'Cells that lack oxygen switch to fermentation, which yields less energy but needs none. '.repeat(20),
];

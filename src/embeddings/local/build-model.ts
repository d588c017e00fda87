import { mkdir, readFile } from 'node:fs/promises';
import { openTokenizer } from '../tokenizer.ts';
import { type BertConfig, buildBertEncoder, type Precision } from './bert-encoder.ts';
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
  const build = (precision: Precision) => buildBertEncoder(weights, config, precision);
  // One after the other, and f32 twice if need be: both at once would take 130 MB more.
  const expected = await embedTexts(build('f32'));
  const int8 = build('int8');
  const minCosine = lowestCosine(await embedTexts(int8), expected);
  return minCosine >= MIN_COSINE
    ? writePreparedModel(cacheDir, { model: int8, precision: 'int8', minCosine })
    : writePreparedModel(cacheDir, { model: build('f32'), precision: 'f32', minCosine });
}

async function embedTexts(model: Uint8Array): Promise<Float32Array[]> {
  const tokenizer = openTokenizer();
  const encode = await openEncoder(model);
  const vectors: Float32Array[] = [];
  for (const text of COMPARED_TEXTS) vectors.push(await encode(tokenizer.encode(text)));
  return vectors;
}

/** Of the vectors of each text; -1 where one holds no numbers. */
function lowestCosine(ones: readonly Float32Array[], others: readonly Float32Array[]): number {
  const cosines = ones.map((one, text) =>
    one.reduce((sum, value, i) => sum + value * (others[text]?.[i] ?? Number.NaN), 0),
  );
  return Math.min(...cosines.map((cosine) => (Number.isFinite(cosine) ? cosine : -1)));
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

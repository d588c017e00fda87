import { SHARE_ENV } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { toError } from '../../platform/errors.ts';
import { createSlots } from '../../platform/slots.ts';
import { type Embedder, EmbeddingError } from '../embedder.ts';
import { OwnSpace } from '../own-space.ts';
import { recordInputTokens } from '../telemetry.ts';
import type { EmbeddedText, EmbedTextData, embedText } from './embed-text.ts';
import { LOCAL_MODEL } from './model-package.ts';
import { prepareLocalModel } from './prepare-model.ts';

export interface LocalEmbedderOptions {
  /** Folder for the built model file, some 60 MB (int8) or 90 MB (f32). */
  cacheDir: string;
  /** Threads that embed, each with the model in memory. 1 by default. */
  threads?: number;
}

const THREAD_ENTRY = import.meta.resolve('./embed-text.ts');
const HANDLER = 'embedText' satisfies keyof typeof import('./embed-text.ts');

/** Opens the model that ships with ragbase, in threads of its own. At first use it is built, which takes seconds. */
export async function openLocalEmbedder({ cacheDir, threads = 1 }: LocalEmbedderOptions): Promise<Embedder> {
  const { path } = await prepareLocalModel({ cacheDir });
  const pool = openPool(path, threads);
  const line = createSlots(threads);
  try {
    // Loads the model in each thread; what is wrong with it shows now.
    await Promise.all(Array.from({ length: threads }, () => pool.run('')));
  } catch (error) {
    await pool.destroy();
    throw error;
  }
  const closing = new AbortController();
  return {
    provider: 'local',
    model: LOCAL_MODEL.name,
    space: new OwnSpace(LOCAL_MODEL.name, LOCAL_MODEL.dimensions),
    embed(texts, { signal, onProgress }) {
      const either = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      return embedAll({ pool, line, threads, texts, signal: either, onProgress });
    },
    async probe() {
      return (await runInPool(pool, '')).vector.length;
    },
    close() {
      // A closed pool would start new threads for whoever comes late.
      closing.abort(new EmbeddingError('the embedder is closed', { retryable: true }));
      return pool.close({ force: true });
    },
  };
}

type Pool = Piscina<Parameters<typeof embedText>[0], EmbeddedText>;

function openPool(modelPath: string, threads: number): Pool {
  const workerData: EmbedTextData = { modelPath };
  const pool: Pool = new Piscina({
    filename: THREAD_ENTRY,
    name: HANDLER,
    minThreads: threads,
    maxThreads: threads,
    workerData,
    // By default what finds no free thread goes back to the end of the queue, and may be overtaken for ever.
    stricterFIFO: true,
    // Else the parent's `--import` would start telemetry in each thread.
    execArgv: [],
    // For `encoder.ts` to reach the environment that onnxruntime reads.
    env: SHARE_ENV,
  });
  // A thread that dies between two texts is replaced; without a listener its error would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/**
 * A call never has more texts in the line than there are threads, so that concurrent calls take turns. Who waits in the
 * line leaves it when aborted; a text that is being embedded is not broken off: the pool's own abort would end the
 * thread, and the model in it.
 */
async function embedAll({
  pool,
  line,
  threads,
  texts,
  signal,
  onProgress,
}: {
  pool: Pool;
  line: ReturnType<typeof createSlots>;
  threads: number;
  texts: readonly string[];
  signal: AbortSignal;
  onProgress: (() => void) | undefined;
}): Promise<Float32Array[]> {
  const vectors = new Array<Float32Array>(texts.length);
  const waiting = texts.entries();
  let tokens = 0;
  const lane = async () => {
    for (const [i, text] of waiting) {
      await line.acquire(signal);
      const embedded = await runInPool(pool, text).finally(() => line.release());
      vectors[i] = embedded.vector;
      onProgress?.();
      tokens += embedded.tokens;
    }
    signal.throwIfAborted();
  };
  await Promise.all(Array.from({ length: threads }, lane));
  recordInputTokens(tokens);
  return vectors;
}

async function runInPool(pool: Pool, text: string): Promise<EmbeddedText> {
  try {
    return await pool.run(text);
  } catch (error) {
    throw new EmbeddingError(`the local model failed: ${toError(error).message}`, { retryable: true, cause: error });
  }
}

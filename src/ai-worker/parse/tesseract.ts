import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { OEM } from 'tesseract.js';

/** The smaller of the two models in the package: half the size of the other and no worse on print. */
const MODELS = join(dirname(fileURLToPath(import.meta.resolve('@tesseract.js-data/eng'))), '4.0.0_best_int');

/** What the library runs in a thread of its own, where Node's permissions would not hold. Here it is called directly. */
interface WorkerScript {
  dispatchHandlers(packet: { action: string; payload: unknown }, answer: (answer: Answer) => void): void;
  setAdapter(adapter: object): void;
}
type Answer = { status: 'resolve' | 'reject' | 'progress'; data: unknown };

/** Tesseract itself, in this thread. */
export interface Tesseract {
  /** @param image PNG or JPEG. @throws where it is no picture. @returns confidence in percent. */
  recognize(image: Uint8Array): Promise<{ text: string; confidence: number }>;
  close(): Promise<void>;
}

const require = createRequire(import.meta.url);

/** Loads the code and the model for printed English from their packages, never from the network. */
export async function startTesseract(): Promise<Tesseract> {
  const script: WorkerScript = require('tesseract.js/src/worker-script/index.js');
  script.setAdapter({
    getCore: require('tesseract.js/src/worker-script/node/getCore.js'),
    gunzip: gunzipSync,
    readCache: (path: string) => readFile(path),
  });
  const act = <T>(action: string, payload: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      script.dispatchHandlers({ action, payload }, ({ status, data }) => {
        if (status === 'resolve') resolve(data as T);
        else if (status === 'reject') reject(new Error(String(data)));
      });
    });
  await act('load', { options: { lstmOnly: true } });
  const options = { langPath: MODELS, gzip: true, cacheMethod: 'none', lstmOnly: true };
  await act('loadLanguage', { langs: ['eng'], options });
  await act('initialize', { langs: ['eng'], oem: OEM.LSTM_ONLY });
  return {
    recognize: (image) => act('recognize', { image: new Uint8Array(image), options: {}, output: { text: true } }),
    close: async () => void (await act('terminate', {})),
  };
}

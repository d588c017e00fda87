import { readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { LOCAL_MODEL, TOKENIZER_PATH } from './local/model-package.ts';
import { wordPiece } from './word-piece.ts';

/** The local model's own tokenizer. Synchronous: about 0.6 ms a kilobyte of English, so off the event loop for documents. */
export interface Tokenizer {
  /** Tokens of a text's own that the model reads; what follows is cut. */
  readonly maxContentTokens: number;
  /**
   * Tokens of a text, without the two that `encode` puts around it. Additive over white space:
   * `count(a) + count(b) === count(a + ' ' + b)`. A word of more than 100 characters is one unknown token.
   */
  countTokens(text: string): number;
  /** Token ids as the model takes them: `[CLS]`, the text cut at `maxContentTokens`, `[SEP]`. */
  encode(text: string): number[];
}

/** Reads the vocabulary (70 ms, 0.5 MB): open one a thread and keep it. Loads no native code. */
export function openTokenizer(): Tokenizer {
  const description = JSON.parse(readFileSync(TOKENIZER_PATH, 'utf8'));
  const tokenizer = new HuggingFaceTokenizer(description, {});
  if (tokenizer.model === null) throw new Error(`${TOKENIZER_PATH} holds no model`);
  tokenizer.model.encode = wordPiece(description.model);
  const [start, end] = tokenizer.encode('').ids;
  if (start === undefined || end === undefined) throw new Error('the tokenizer puts no [CLS] and [SEP] around a text');

  const maxContentTokens = LOCAL_MODEL.maxTokens - 2;
  const contentIds = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;
  return {
    maxContentTokens,
    countTokens: (text) => stretches(text).reduce((tokens, stretch) => tokens + contentIds(stretch).length, 0),
    encode(text) {
      // The library ignores the truncation that tokenizer.json asks for, and would read all of a long text.
      const ids: number[] = [];
      for (const stretch of stretches(text)) {
        ids.push(...contentIds(stretch).slice(0, maxContentTokens - ids.length));
        if (ids.length === maxContentTokens) break;
      }
      return [start, ...ids, end];
    },
  };
}

/** A text in stretches of some 2,000 characters, each ending where a word does, so that tokens stay whole. */
function stretches(text: string): IteratorObject<string> {
  return text.matchAll(/.{1,2000}[^ \n]*/gs).map(([stretch]) => stretch);
}

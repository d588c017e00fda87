/** A stretch of a text, without white space at its ends. */
export interface Piece {
  start: number;
  end: number;
  tokens: number;
}

export interface SplitOptions {
  countTokens(text: string): number;
  /** The most that a piece may have. */
  maxTokens: number;
}

/** No piece is longer than this for each of its tokens: a model may take any word for one token. */
export const MAX_CHARACTERS_PER_TOKEN = 16;
/** Sentences shorter than this are counted together: each call of a tokenizer has its price. */
const MIN_CHARACTERS = 64;
/** Stretches of a sentence that is too long, cut between words. */
const STRETCH_CHARACTERS = 128;
/** A word is cut after this. WordPiece takes one of more than 100 characters for a single unknown token. */
const MAX_WORD_CHARACTERS = 64;

const sentences = new Intl.Segmenter(undefined, { granularity: 'sentence' });

/**
 * Cuts a text into pieces of at most `maxTokens`: at sentences where possible, else between words,
 * else anywhere. Takes time in proportion to the text's length, whatever it looks like.
 */
export function* splitText(text: string, options: SplitOptions): Generator<Piece> {
  for (const sentence of sentenceRanges(text)) {
    const whole = sentence.end - sentence.start <= options.maxTokens * MAX_CHARACTERS_PER_TOKEN;
    const ranges = whole ? [sentence] : stretches(text, sentence);
    for (const range of ranges) yield* fitting(text, range, options);
  }
}

interface Range {
  start: number;
  end: number;
}

/** A range as pieces: itself where it fits, else its halves, and so on. */
function* fitting(text: string, range: Range, options: SplitOptions): Generator<Piece> {
  const { start, end } = trimmed(text, range);
  if (start === end) return;
  const tokens = options.countTokens(text.slice(start, end));
  const middle = cutNear(text, { start, end }, Math.floor((start + end) / 2));
  const fits = tokens <= options.maxTokens && end - start <= options.maxTokens * MAX_CHARACTERS_PER_TOKEN;
  // A single character is as small as it gets.
  if (fits || middle >= end) yield { start, end, tokens };
  else {
    yield* fitting(text, { start, end: middle }, options);
    yield* fitting(text, { start: middle, end }, options);
  }
}

/** Sentences, the short ones together. A line break in a running sentence does not end it. */
function* sentenceRanges(text: string): Generator<Range> {
  // Same length, so that the offsets hold.
  const unwrapped = text.replace(/\n(?=\p{Ll})/gu, ' ');
  let start = 0;
  for (const { index, segment } of sentences.segment(unwrapped)) {
    const end = index + segment.length;
    if (end - start < MIN_CHARACTERS) continue;
    yield { start, end };
    start = end;
  }
  if (start < text.length) yield { start, end: text.length };
}

function* stretches(text: string, { start, end }: Range): Generator<Range> {
  for (let from = start; from < end; ) {
    const limit = from + STRETCH_CHARACTERS;
    const to = limit >= end ? end : cutNear(text, { start: from, end }, limit);
    yield { start: from, end: to };
    from = to;
  }
}

/** Where to cut at or before `at`: behind white space if a word begins near, else between characters. */
function cutNear(text: string, { start, end }: Range, at: number): number {
  for (let cut = at; cut > Math.max(start, at - MAX_WORD_CHARACTERS); cut--) {
    if (/\s/.test(text.charAt(cut - 1))) return cut;
  }
  const splitsPair = /[\udc00-\udfff]/.test(text.charAt(at));
  if (!splitsPair) return Math.max(at, start + 1);
  return at - 1 > start ? at - 1 : Math.min(at + 1, end);
}

function trimmed(text: string, { start, end }: Range): Range {
  let from = start;
  let to = end;
  while (from < to && /\s/.test(text.charAt(from))) from++;
  while (to > from && /\s/.test(text.charAt(to - 1))) to--;
  return { start: from, end: to };
}

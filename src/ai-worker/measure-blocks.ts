import { tooManyChunks } from './limit-errors.ts';
import type { Section } from './outline.ts';
import type { Block } from './parse/parser.ts';
import { MAX_CHARACTERS_PER_TOKEN, type Piece } from './split-text.ts';

/** A block or a piece of one, at offsets in the extracted text. */
export interface Unit extends Piece {
  /** Of its block. */
  index: number;
  /** The room it takes of a chunk, in tokens. */
  cost: number;
  /** The section that it opens, where it is a heading. */
  opens?: Section | undefined;
}

export interface Measures {
  /** Blocks that may fit a chunk; undefined for those that are longer at first sight. */
  units: (Unit | undefined)[];
  /** What the blocks from one index up to another take together; beyond `limit` where one does not fit. */
  costOf(from: number, to: number): number;
}

/**
 * Counts the tokens of each block that may fit `limit`, once.
 * @throws ProcessingError `TOO_LARGE_EXPANDED` where they can't fit `maxChunks` however they are packed.
 */
export function measureBlocks(
  entries: readonly { block: Block; start: number; section: Section | undefined }[],
  { countTokens, limit, maxChunks }: { countTokens(text: string): number; limit: number; maxChunks: number },
): Measures {
  const before = new Float64Array(entries.length + 1);
  const units = entries.map(({ block, start, section }, index) => {
    let unit: Unit | undefined;
    if (block.text.length <= limit * MAX_CHARACTERS_PER_TOKEN) {
      const opens = block.kind === 'heading' ? section : undefined;
      unit = unitOf({ start, end: start + block.text.length, tokens: countTokens(block.text) }, { index, opens });
    }
    before[index + 1] = (before[index] ?? 0) + (unit?.cost ?? limit + 1);
    if ((before[index + 1] ?? 0) > maxChunks * limit) throw tooManyChunks(maxChunks);
    return unit;
  });
  return { units, costOf: (from, to) => (before[to] ?? 0) - (before[from] ?? 0) };
}

/** A piece as a unit. Text of few tokens is charged by its length, so that no chunk is endless. */
export function unitOf(piece: Piece, place: { index: number; opens?: Section | undefined }): Unit {
  const cost = Math.max(piece.tokens, Math.ceil((piece.end - piece.start) / MAX_CHARACTERS_PER_TOKEN));
  return { ...piece, ...place, cost };
}

import type { Chunk } from '../documents/job.ts';
import { createHeadingPaths, type HeadingPath } from './heading-paths.ts';
import { tooManyChunks } from './limit-errors.ts';
import { type Measures, measureBlocks, type Unit, unitOf } from './measure-blocks.ts';
import { type Entry, extractedText, outline, type Section } from './outline.ts';
import type { Block } from './parse/parser.ts';
import { MAX_CHARACTERS_PER_TOKEN, splitText } from './split-text.ts';

export interface ChunkOptions {
  /** Tokens of a text, without special ones; additive over white space, as WordPiece is. */
  countTokens(text: string): number;
  /** What the model reads at once, its two special tokens included. */
  maxTokens?: number;
  /** How much a chunk may repeat of a run that had to be split before it. */
  overlapTokens?: number;
  /** More are too many. */
  maxChunks?: number;
}

/** `[CLS]` and `[SEP]`. */
const SPECIAL_TOKENS = 2;

/**
 * Packs blocks into chunks that follow the document's structure: a document or a section that fits
 * is one chunk, and small sections share one as long as they have the headings above them in common.
 * A chunk's `text` is the extracted text from `startOffset` to `endOffset`; headings that stand above
 * all of it are in `headings`. A block is split only where it is too long for a chunk, or where what
 * stands before it is too little for one; the next chunk then repeats its end.
 * @throws ProcessingError `TOO_LARGE_EXPANDED` as soon as there are more than `maxChunks`.
 */
export function chunkBlocks(blocks: readonly Block[], options: ChunkOptions): Chunk[] {
  const { countTokens, maxTokens = 256, overlapTokens = 32, maxChunks = Number.POSITIVE_INFINITY } = options;
  const budget = maxTokens - SPECIAL_TOKENS;
  const count = (text: string) => countTokens(text);
  const entries = outline(blocks);
  return new Packer({
    text: extractedText(blocks),
    entries,
    measures: measureBlocks(entries, { countTokens: count, limit: budget, maxChunks }),
    pathOf: createHeadingPaths({ countTokens: count, maxTokens: Math.floor(budget / 3) }),
    countTokens: count,
    budget,
    overlapTokens,
    maxChunks,
  }).pack();
}

interface PackerOptions {
  text: string;
  entries: readonly Entry[];
  measures: Measures;
  pathOf(section: Section | undefined): HeadingPath;
  countTokens(text: string): number;
  budget: number;
  overlapTokens: number;
  maxChunks: number;
}

/** Fills one chunk after the other, and holds one rule: none takes more than the budget, its headings included. */
class Packer {
  readonly #given: PackerOptions;
  readonly #chunks: Chunk[] = [];
  /** The open chunk. */
  #units: Unit[] = [];
  /** The section around everything in it, whose headings are not in its text. */
  #base: Section | undefined;
  #cost = 0;
  /** The blocks before this one belong together, and fit. */
  #togetherUntil = 0;

  constructor(given: PackerOptions) {
    this.#given = given;
  }

  pack(): Chunk[] {
    const { entries, measures, budget } = this.#given;
    if (measures.costOf(0, entries.length) <= budget) this.#togetherUntil = entries.length;
    for (const [index, entry] of entries.entries()) {
      if (this.#endsBefore(index, entry)) this.#flush(index);
      this.#addBlock(index, entry);
    }
    this.#flush(entries.length);
    return this.#chunks;
  }

  /** Whether the document's structure wants the open chunk to end here. */
  #endsBefore(index: number, { block, section }: Entry): boolean {
    const { measures, budget, entries } = this.#given;
    const last = this.#units.at(-1);
    if (last === undefined) return false;
    // What follows does not stand under the headings of this chunk.
    if (this.#base !== undefined && index >= this.#base.end) return true;
    if (index < this.#togetherUntil || !this.#hasContent()) return false;
    const isFilled = this.#cost >= budget / 2;
    if (block.kind !== 'heading') return isFilled && block.page !== entries[last.index]?.block.page;
    return isFilled || this.#cost + measures.costOf(index, section?.end ?? index) > budget;
  }

  #addBlock(index: number, entry: Entry): void {
    const { measures, budget, pathOf } = this.#given;
    const { block, section } = entry;
    const unit = measures.units[index];
    const room = budget - pathOf(section).tokens;
    const isCrumb = this.#cost < budget / 4;
    if (unit !== undefined && this.#costWith(unit, entry) <= budget) this.#append(unit, entry);
    else if (unit !== undefined && unit.cost <= room && !(isCrumb && block.kind === 'text' && this.#hasContent())) {
      this.#flush(index);
      this.#append(unit, entry);
    } else {
      if (!isCrumb) this.#flush(index);
      this.#addPieces(index, entry, room);
    }
    if (block.kind === 'heading' && section !== undefined) {
      const rest = measures.costOf(index + 1, section.end);
      if (this.#cost + rest <= budget) this.#togetherUntil = Math.max(this.#togetherUntil, section.end);
    }
  }

  #addPieces(index: number, entry: Entry, room: number): void {
    const { budget, countTokens } = this.#given;
    for (const piece of splitText(entry.block.text, { countTokens, maxTokens: room })) {
      const unit = unitOf({ ...piece, start: entry.start + piece.start, end: entry.start + piece.end }, { index });
      if (this.#units.length > 0 && this.#costWith(unit, entry) > budget) {
        const repeated = this.#overlap(index);
        this.#flush(index);
        if (cost([...repeated, unit]) <= room) for (const again of repeated) this.#append(again, entry);
      }
      this.#append(unit, entry);
    }
  }

  /** The last pieces of a split block in the open chunk, up to the overlap. */
  #overlap(index: number): Unit[] {
    const { overlapTokens } = this.#given;
    const repeated: Unit[] = [];
    for (const unit of this.#units.toReversed()) {
      if (unit.index !== index || cost([unit, ...repeated]) > overlapTokens) break;
      repeated.unshift(unit);
    }
    const last = this.#units.at(-1);
    if (repeated.length > 0 || last?.index !== index) return repeated;
    return this.#lastWords(last);
  }

  /** The end of a piece that is longer than the overlap. */
  #lastWords(unit: Unit): Unit[] {
    const { text, overlapTokens, countTokens } = this.#given;
    const from = Math.max(unit.start, unit.end - 3 * overlapTokens);
    const space = text.slice(from, unit.end).search(/\s\S/);
    if (space === -1) return [];
    const start = from + space + 1;
    const words = unitOf(
      { start, end: unit.end, tokens: countTokens(text.slice(start, unit.end)) },
      { index: unit.index },
    );
    return words.cost <= overlapTokens ? [words] : [];
  }

  #append(unit: Unit, entry: Entry): void {
    this.#cost = this.#costWith(unit, entry);
    if (this.#units.length === 0) this.#base = baseOf(entry);
    this.#units.push(unit);
  }

  /** What the open chunk would take with one unit more. */
  #costWith(unit: Unit, entry: Entry): number {
    const last = this.#units.at(-1);
    return last === undefined
      ? this.#given.pathOf(baseOf(entry)).tokens + unit.cost
      : this.#cost + gapCost(last, unit) + unit.cost;
  }

  #hasContent(): boolean {
    const last = this.#units.at(-1);
    return last !== undefined && (last.opens === undefined || this.#units.some((unit) => unit.opens === undefined));
  }

  /** Ends the open chunk; `next` is the block that comes after it. */
  #flush(next: number): void {
    const units = this.#units;
    const base = this.#base;
    this.#units = [];
    this.#base = undefined;
    this.#cost = 0;
    // Headings above what comes next will be in its path.
    const goesOn = units.every((unit) => unit.opens !== undefined && unit.opens.end > next);
    if (goesOn) return;
    this.#chunks.push(this.#chunkOf(units, base));
    if (this.#chunks.length > this.#given.maxChunks) throw tooManyChunks(this.#given.maxChunks);
  }

  #chunkOf(units: readonly Unit[], base: Section | undefined): Chunk {
    const { text, entries, pathOf, budget } = this.#given;
    let section = base;
    let body = units;
    for (const [position, { opens }] of units.slice(0, -1).entries()) {
      const rest = units.slice(position + 1);
      if (opens === undefined || opens.end <= (units.at(-1)?.index ?? 0)) break;
      if (pathOf(opens).tokens + tokens(rest) > budget) break;
      section = opens;
      body = rest;
    }
    const startOffset = body[0]?.start ?? 0;
    const endOffset = body.at(-1)?.end ?? startOffset;
    const path = pathOf(section);
    return {
      text: text.slice(startOffset, endOffset),
      headings: path.headings,
      page: entries[body[0]?.index ?? 0]?.block.page ?? null,
      startOffset,
      endOffset,
      tokens: path.tokens + tokens(body),
    };
  }
}

/** The section around a chunk that starts with this block. */
const baseOf = ({ block, section }: Entry): Section | undefined =>
  block.kind === 'heading' ? section?.parent : section;

const cost = (units: readonly Unit[]): number =>
  units.reduce((sum, unit, index) => sum + gapCost(units[index - 1], unit) + unit.cost, 0);
/** White space between two units has no tokens, but there may be megabytes of it. */
const gapCost = (before: Unit | undefined, unit: Unit): number =>
  before === undefined ? 0 : Math.floor((unit.start - before.end) / MAX_CHARACTERS_PER_TOKEN);
const tokens = (units: readonly Unit[]): number => units.reduce((sum, unit) => sum + unit.tokens, 0);

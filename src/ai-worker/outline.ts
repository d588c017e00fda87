import type { Block } from './parse/parser.ts';

/** Parts the blocks in a document's extracted text. */
const SEPARATOR = '\n\n';

/** More of a heading than this is no heading. */
const MAX_HEADING_CHARACTERS = 500;

/** The text that chunk offsets point into. */
export function extractedText(blocks: readonly Block[]): string {
  return blocks.map((block) => block.text).join(SEPARATOR);
}

/** What stands under one heading, deeper headings included. */
export interface Section {
  heading: string;
  parent: Section | undefined;
  level: number;
  /** Index of the first block behind it. */
  end: number;
}

/** A block and where it stands. */
export interface Entry {
  block: Block;
  /** Offset in the extracted text. */
  start: number;
  /** The innermost section around it; for a heading, the one that it opens. */
  section: Section | undefined;
}

/** Blocks in order, each with its offset and its section. */
export function outline(blocks: readonly Block[]): Entry[] {
  let start = 0;
  let section: Section | undefined;
  const close = (level: number, end: number) => {
    for (; section !== undefined && section.level >= level; section = section.parent) section.end = end;
  };
  const entries = blocks.map((block, index): Entry => {
    if (block.kind === 'heading') {
      const level = block.level ?? 1;
      close(level, index);
      section = { heading: oneLine(block.text), parent: section, level, end: blocks.length };
    }
    const entry = { block, start, section };
    start += block.text.length + SEPARATOR.length;
    return entry;
  });
  close(0, blocks.length);
  return entries;
}

const oneLine = (heading: string): string =>
  heading.slice(0, MAX_HEADING_CHARACTERS).replace(/\s+/g, ' ').trim().toWellFormed();

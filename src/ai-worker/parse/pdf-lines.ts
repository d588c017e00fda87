import type { TextItem, TextMarkedContent } from 'pdfjs-dist/types/src/display/api.js';
import type { Block } from './parser.ts';

/** A printed line. */
export interface Line {
  text: string;
  page: number;
  /** Font size in points, of most of its characters. */
  size: number;
  /** Height of the baseline above the foot of the page, in points. */
  y: number;
}

/** Text this much larger than the body is a heading. */
const HEADING_RATIO = 1.15;
const MAX_HEADING_CHARACTERS = 200;
/** Baselines further apart than this many font sizes part paragraphs. */
const PARAGRAPH_GAP = 1.7;

/** The printed lines of a page from the pieces that it was set in, which may be single letters. */
export function linesOf(items: readonly (TextItem | TextMarkedContent)[], page: number): Line[] {
  const lines: Line[] = [];
  let pieces: TextItem[] = [];
  const endLine = () => {
    const line = joinPieces(pieces, page);
    if (line.text !== '') lines.push(line);
    pieces = [];
  };
  for (const item of items) {
    if (!('str' in item)) continue;
    const previous = pieces.at(-1);
    if (previous !== undefined && Math.abs(baseline(item) - baseline(previous)) > Math.max(2, previous.height / 2)) {
      // Superscripts stay in their line: they move by less than half of the letters' height.
      if (item.str.trim() !== '') endLine();
    }
    pieces.push(item);
    if (item.hasEOL) endLine();
  }
  endLine();
  return lines;
}

const baseline = (item: TextItem): number => Number(item.transform[5]);

function joinPieces(pieces: readonly TextItem[], page: number): Line {
  const inked = pieces.filter((piece) => piece.str.trim() !== '');
  const longest = inked.reduce<TextItem | undefined>(
    (best, piece) => (piece.str.length > (best?.str.length ?? 0) ? piece : best),
    undefined,
  );
  const text = pieces
    .map((piece) => piece.str)
    .join('')
    .replace(/\s+/g, ' ')
    // Each dot that leads to a page number would be a token.
    .replace(/(?:[._] ?){5,}/g, '… ')
    .trim();
  return { text, page, size: longest?.height ?? 0, y: longest === undefined ? 0 : baseline(longest) };
}

/** Paragraphs and headings of a document's lines; a heading is told by its larger font. */
export function blocksOfLines(lines: readonly Line[]): Block[] {
  const levels = headingLevels(lines);
  const groups: [Line, ...Line[]][] = [];
  for (const line of lines) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined && isSameParagraph(last, line)) group.push(line);
    else groups.push([line]);
  }
  return groups.map((group) => blockOf(group, levels));
}

function blockOf(lines: readonly [Line, ...Line[]], levels: ReadonlyMap<number, number>): Block {
  const [{ page, size }] = lines;
  const text = joinLines(lines.map((line) => line.text));
  const level = levels.get(rounded(size));
  const isHeading = level !== undefined && text.length <= MAX_HEADING_CHARACTERS && /\p{L}/u.test(text);
  return isHeading ? { kind: 'heading', level, text, page } : { kind: 'text', text, page };
}

function isSameParagraph(previous: Line, line: Line): boolean {
  const gap = previous.y - line.y;
  if (Math.abs(previous.size - line.size) > 0.1 * line.size) return false;
  return previous.page === line.page && gap >= 0 && gap <= PARAGRAPH_GAP * Math.max(previous.size, line.size, 1);
}

/** Level by font size: the largest size above the body's is 1. The body's is that of most characters. */
function headingLevels(lines: readonly Line[]): Map<number, number> {
  const characters = new Map<number, number>();
  for (const line of lines) {
    characters.set(rounded(line.size), (characters.get(rounded(line.size)) ?? 0) + line.text.length);
  }
  const [body] = [...characters].sort((a, b) => b[1] - a[1])[0] ?? [0];
  const larger = [...characters.keys()].filter((size) => size >= body * HEADING_RATIO).sort((a, b) => b - a);
  return new Map(larger.map((size, index) => [size, Math.min(index + 1, 6)]));
}

const rounded = (size: number): number => Math.round(size * 2) / 2;

/** Lines of a paragraph in one; a word that was parted at a line's end is whole again. */
export function joinLines(lines: readonly string[]): string {
  let text = '';
  for (const line of lines) {
    if (text === '') text = line;
    else if (/\p{L}[-\u00ad\u2010]$/u.test(text.slice(-3)) && /^\p{Ll}/u.test(line)) text = text.slice(0, -1) + line;
    else text += ` ${line}`;
  }
  return text;
}

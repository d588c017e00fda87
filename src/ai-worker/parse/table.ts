import { MAX_TEXT_CHARACTERS, tooMuchText } from '../limit-errors.ts';
import type { Block } from './parser.ts';

/** Each row repeats the name of its column. */
const MAX_NAME_CHARACTERS = 100;

/**
 * Rows of a table as blocks that can be understood alone: each repeats the column names of the
 * header (`name: Argand; range: 18 nm`), cut where they are long. Empty cells are left out.
 * @throws ProcessingError `TOO_LARGE_EXPANDED` as soon as the rows hold more text than a document may.
 */
export function tableBlocks(rows: Iterable<readonly string[]>, place: { page?: number } = {}): Block[] {
  const blocks: Block[] = [];
  let characters = 0;
  const add = (kind: Block['kind'], text: string) => {
    characters += text.length;
    if (characters > MAX_TEXT_CHARACTERS) throw tooMuchText(MAX_TEXT_CHARACTERS);
    if (text !== '') blocks.push({ kind, text, ...place });
  };
  let header: readonly string[] | undefined;
  let names: readonly string[] = [];
  let width = 0;
  for (const row of rows) {
    const filled = row.filter((cell) => cell.trim() !== '').length;
    if (header !== undefined) {
      width++;
      add('row', rowText(names, row));
    } else if (filled === 1 && row.length > 1) {
      // A title or a note above the header.
      add('text', rowText([], row));
    } else if (filled > 0) {
      header = looksLikeHeader(row) ? row : [];
      names = header.map(columnName);
      if (header.length === 0) add('row', rowText([], row));
    }
  }
  // A header without rows is all the text there is.
  if (width === 0 && header !== undefined && header.length > 0) add('row', rowText([], header));
  return blocks;
}

/** One row: `column: value; …`, or just the values where a column has no name. */
function rowText(names: readonly string[], cells: readonly string[]): string {
  const parts: string[] = [];
  for (const [index, cell] of cells.entries()) {
    const value = oneLine(cell);
    if (value === '') continue;
    const name = names[index] ?? '';
    parts.push(name === '' ? value : `${name}: ${value}`);
  }
  return parts.join('; ');
}

/** Column names are words; a row with a number in it is data. */
function looksLikeHeader(row: readonly string[]): boolean {
  return row.every((cell) => !/^[\s\p{Sc}+-]*\d[\d\s.,:/%-]*$/u.test(cell.slice(0, 64)));
}

function columnName(cell: string): string {
  const name = oneLine(cell.slice(0, 2 * MAX_NAME_CHARACTERS));
  return name.length > MAX_NAME_CHARACTERS ? `${name.slice(0, MAX_NAME_CHARACTERS)}…` : name;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

import type { Block } from './parser.ts';

/**
 * Rows of a table as blocks that can be understood alone: each repeats the column names of the
 * header (`name: Argand; range: 18 nm`). Empty cells are left out.
 */
export function tableBlocks(rows: Iterable<readonly string[]>, place: { page?: number } = {}): Block[] {
  const blocks: Block[] = [];
  const add = (kind: Block['kind'], text: string) => {
    if (text !== '') blocks.push({ kind, text, ...place });
  };
  let header: readonly string[] | undefined;
  let width = 0;
  for (const row of rows) {
    const filled = row.filter((cell) => cell.trim() !== '').length;
    if (header !== undefined) {
      width++;
      add('row', rowText(header, row));
    } else if (filled === 1 && row.length > 1) {
      // A title or a note above the header.
      add('text', rowText([], row));
    } else if (filled > 0) {
      header = looksLikeHeader(row) ? row : [];
      if (header.length === 0) add('row', rowText([], row));
    }
  }
  // A header without rows is all the text there is.
  if (width === 0 && header !== undefined && header.length > 0) add('row', rowText([], header));
  return blocks;
}

/** One row: `column: value; …`, or just the values where a column has no name. */
export function rowText(header: readonly string[], cells: readonly string[]): string {
  const parts: string[] = [];
  for (const [index, cell] of cells.entries()) {
    const value = oneLine(cell);
    if (value === '') continue;
    const name = oneLine(header[index] ?? '');
    parts.push(name === '' ? value : `${name}: ${value}`);
  }
  return parts.join('; ');
}

/** Column names are words; a row with a number in it is data. */
function looksLikeHeader(row: readonly string[]): boolean {
  return row.every((cell) => !/^[\s\p{Sc}+-]*\d[\d\s.,:/%-]*$/u.test(cell.slice(0, 64)));
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

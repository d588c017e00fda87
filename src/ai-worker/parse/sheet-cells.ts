import { strFromU8, strToU8 } from 'fflate';
import { ProcessingError } from '../../documents/job.ts';

/** The reader makes a table of a sheet, up to its last row and column; each of its cells takes 8 bytes. */
const MAX_TABLE_CELLS = 20_000_000;

/** A tag of a row or a cell, and in it the address: column and row. */
const TAG = /<((?:\w+:)?(?:row|c))((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)(\s*\/?>)/g;
const ADDRESS = /(\sr\s*=\s*["'])([A-Z]*)(\d+)/;
const ADDRESSES = new RegExp(ADDRESS, 'g');

/**
 * A sheet whose table is not too large: where it would be, rows and columns that are empty are left out, so
 * that cells move together, each column with its header. One cell far out makes a table of billions.
 * @throws ProcessingError `TOO_LARGE_EXPANDED` where it is too large all the same.
 */
export function boundedSheet(part: Uint8Array): Uint8Array {
  // Addresses are ASCII; as Latin-1, all else comes out as it went in.
  const xml = strFromU8(part, true);
  const { lastRow, columns } = extent(xml);
  const inOrder = [...columns].sort((a, b) => numberOf(a) - numberOf(b));
  if (lastRow * numberOf(inOrder.at(-1) ?? 'A') <= MAX_TABLE_CELLS) return part;
  const places = new Map(inOrder.map((letters, index) => [letters, lettersOf(index + 1)]));
  let rows = 0;
  const mended = xml.replace(TAG, (tag, name: string, attributes: string, end: string) => {
    if (name.endsWith('row')) rows++;
    if (rows * places.size > MAX_TABLE_CELLS) throw tooManyCells();
    const place = (_all: string, before: string, letters: string) => before + (places.get(letters) ?? '') + rows;
    return rows === 0 ? tag : `<${name}${attributes.replace(ADDRESS, place)}${end}`;
  });
  return strToU8(mended, true);
}

/** The last row, and the letters of each column that an address names. */
function extent(xml: string): { lastRow: number; columns: Set<string> } {
  const columns = new Set<string>();
  let lastRow = 0;
  for (const [, , letters = '', row] of xml.matchAll(ADDRESSES)) {
    if (letters !== '') columns.add(letters);
    if (Number(row) > lastRow) lastRow = Number(row);
  }
  return { lastRow, columns };
}

/** A is 1, Z is 26, AA is 27. */
const numberOf = (letters: string): number =>
  [...letters].reduce((number, letter) => number * 26 + letter.charCodeAt(0) - 64, 0);

function lettersOf(number: number): string {
  const last = String.fromCharCode(65 + ((number - 1) % 26));
  return number <= 26 ? last : lettersOf(Math.floor((number - 1) / 26)) + last;
}

function tooManyCells(): ProcessingError {
  const millions = MAX_TABLE_CELLS / 1e6;
  return new ProcessingError('TOO_LARGE_EXPANDED', `A sheet spans more than ${millions} million cells.`);
}

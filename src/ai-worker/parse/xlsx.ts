import readSheets, { type CellValue } from 'read-excel-file/node';
import { vetOoxml } from './ooxml.ts';
import type { Block, Parser } from './parser.ts';
import { boundedSheet } from './sheet-cells.ts';
import { tableBlocks } from './table.ts';

/** Excel workbooks: a sheet is a page under its name, a block a row, each naming its columns. */
export const parseXlsx: Parser = async ({ bytes }) => {
  const mend = (name: string, part: Uint8Array) => (/\/worksheets\//i.test(name) ? boundedSheet(part) : part);
  const sheets = await readSheets(Buffer.from(vetOoxml(bytes, 'xl/workbook', { mend })));
  return sheets.flatMap(({ sheet, data }, index): Block[] => {
    const page = index + 1;
    const rows = tableBlocks(
      data.map((row) => row.map(cellText)),
      { page },
    );
    return rows.length === 0 ? [] : [{ kind: 'heading', level: 1, text: sheet, page }, ...rows];
  });
};

function cellText(value: CellValue | null): string {
  if (value === null) return '';
  if (!(value instanceof Date)) return String(value);
  if (Number.isNaN(value.getTime())) return '';
  // A date without a time of day is what nearly every date cell holds.
  return value
    .toISOString()
    .replace(/T00:00:00\.000Z$/, '')
    .replace('T', ' ')
    .replace(/\.000Z$/, '');
}

/** Small documents that cost much: each stands for a kind of which there are many. */
import { deflateRawSync } from 'node:zlib';
import type { Format } from '../../src/documents/formats.ts';
import { docxParts, type Parts, xlsxParts, zipParts } from '../fixtures/write-ooxml.ts';
import { emptyPage, formsInForms } from './hostile-pdf.ts';

export interface GreedyDocument {
  format: Format;
  content(): Uint8Array | string;
  /** How it ends: a code, or text that it must be read as. */
  end: string | RegExp;
}

const paragraphs = (text: string, count: number) => zipParts(docxParts(Array(count).fill({ text })));

/** A workbook with a readable cell, and one more at an address. */
function farCell(address: string): Uint8Array {
  const parts = xlsxParts({ Stores: [['Rope'], ['forty fathoms']] });
  const sheet = 'xl/worksheets/sheet1.xml';
  const row = /\d+$/.exec(address)?.[0];
  const cell = `<row r="${row}"><c r="${address}" t="inlineStr"><is><t>far out</t></is></c></row>`;
  return zipParts({ ...parts, [sheet]: (parts[sheet] ?? '').replace('</sheetData>', `${cell}$&`) });
}

/** A workbook whose cells, each in a row and column of its own, span a table of that many cells squared. */
function diagonal(cells: number): Uint8Array {
  const letters = (number: number): string =>
    (number > 26 ? letters(Math.floor((number - 1) / 26)) : '') + String.fromCharCode(65 + ((number - 1) % 26));
  const rows = Array.from(
    { length: cells },
    (_, i) => `<row r="${i + 1}"><c r="${letters(i + 1)}${i + 1}"><v>1</v></c></row>`,
  );
  const parts = xlsxParts({ Stores: [['Rope']] });
  const sheet = 'xl/worksheets/sheet1.xml';
  const data = `<sheetData>${rows.join('')}</sheetData>`;
  return zipParts({ ...parts, [sheet]: (parts[sheet] ?? '').replace(/<sheetData>.*<\/sheetData>/s, data) });
}

export const GREEDY_DOCUMENTS: Record<string, GreedyDocument> = {
  'forms in forms that draw a billion times': { format: 'pdf', content: () => formsInForms(30), end: 'PARSE_TIMEOUT' },
  'a hundred million one-letter words': {
    format: 'docx',
    content: () => paragraphs('! '.repeat(5000), 10_000),
    end: 'TOO_LARGE_EXPANDED',
  },
  'two million letters in 14 KB': {
    format: 'docx',
    content: () => paragraphs('漢字'.repeat(500), 2000),
    end: 'TOO_LARGE_EXPANDED',
  },
  'a cell at the far end of a sheet': { format: 'xlsx', content: () => farCell('XFD1048576'), end: /far out/ },
  'a cell beyond the end of any sheet': { format: 'xlsx', content: () => farCell('ZZZZ4000000000'), end: /far out/ },
  'cells along a diagonal': { format: 'xlsx', content: () => diagonal(16_000), end: 'TOO_LARGE_EXPANDED' },
  'a header of a megabyte above each row': {
    format: 'csv',
    content: () => `${'漢字'.repeat(250_000)},b\n${'x,y\n'.repeat(1000)}`,
    end: /^漢.{98}字…: x; b: y$/m,
  },
  'a hundred thousand columns': {
    format: 'csv',
    content: () => {
      const row = (cell: (index: number) => string) =>
        `${Array.from({ length: 100_000 }, (_, i) => cell(i)).join(',')}\n`;
      return row((index) => `c${index}`) + row(() => '1').repeat(20);
    },
    end: 'TOO_LARGE_EXPANDED',
  },
  'a key of a megabyte above each value': {
    format: 'json',
    content: () => `{"${'k'.repeat(1e6)}":{${Array.from({ length: 2000 }, (_, i) => `"a${i}":{"b":1}`).join(',')}}}`,
    end: /^k{100}….a0.b: 1$/m,
  },
  'keys that nest, each long': {
    format: 'json',
    content: () => {
      const values = Array.from({ length: 100_000 }, (_, i) => `"${i}":1`).join(',');
      return `${`{"${'k'.repeat(200)}":`.repeat(12)}{${values}}${'}'.repeat(12)}`;
    },
    end: 'TOO_LARGE_EXPANDED',
  },
  'a row of fifteen thousand cells above a table': {
    format: 'md',
    content: () => `|a|b|\n|-|-|\n${'|'.repeat(15_000)}\n${'x\n'.repeat(20_000)}`,
    end: /^a: x$/m,
  },
  'links that never close': { format: 'md', content: () => `${'[a]('.repeat(2000)}\n`.repeat(100), end: /\[a\]\(/ },
  'lists sixty deep': {
    format: 'md',
    content: () => Array.from({ length: 5000 }, (_, i) => `${'  '.repeat(i % 60)}- a\n`).join(''),
    end: /^- a$/m,
  },
};

/** As above, of pictures: they are drawn by a process of their own. */
export const GREEDY_PICTURES: Record<string, GreedyDocument> = {
  'a page as wide as a country and as high as a hair': {
    format: 'pdf',
    content: () => emptyPage(99_999_999, 0.001),
    end: 'NO_TEXT',
  },
  'a page as high as a mountain': { format: 'pdf', content: () => emptyPage(0.5, 14_400_000), end: 'NO_TEXT' },
  'a page as large as a country': { format: 'pdf', content: () => emptyPage(9_999_999, 9_999_999), end: 'NO_TEXT' },
};

/** How an archive of many entries with the same bytes says where they are: each entry of its directory says "there". */
export function sharedEntries(parts: Parts, { copies, stored }: { copies: number; stored: boolean }): Uint8Array {
  const zip = Buffer.from(zipParts(parts));
  const data = Buffer.alloc(1024 * 1024, ' ');
  const bytes = stored ? data : deflateRawSync(data);
  const name = 'word/copy.xml';
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(name.length, 26);
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  const directory = zip.readUInt32LE(end + 16);
  const entry = Buffer.alloc(46 + name.length);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(stored ? 0 : 8, 10);
  entry.writeUInt32LE(bytes.length, 20);
  // What is stored comes out whole, whatever is declared.
  entry.writeUInt32LE(stored ? 0 : data.length, 24);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt32LE(directory, 42);
  entry.write(name, 46);
  const before = Buffer.concat([zip.subarray(0, directory), header, Buffer.from(name), bytes]);
  const after = Buffer.concat([zip.subarray(directory, end), ...Array<Buffer>(copies).fill(entry)]);
  const tail = Buffer.from(zip.subarray(end));
  const entries = zip.readUInt16LE(end + 8) + copies;
  tail.writeUInt16LE(entries, 8);
  tail.writeUInt16LE(entries, 10);
  tail.writeUInt32LE(after.length, 12);
  tail.writeUInt32LE(before.length, 16);
  return Buffer.concat([before, after, tail]);
}

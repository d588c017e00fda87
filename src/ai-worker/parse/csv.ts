import { parse } from 'csv-parse/sync';
import { decodeText } from './decode-text.ts';
import type { Parser } from './parser.ts';
import { tableBlocks } from './table.ts';
import { hasLineBeyond, paragraphs } from './txt.ts';

/** No table has longer rows. The reader takes a byte at a time, and a hundred bytes of memory a cell. */
const MAX_LINE_CHARACTERS = 1024 * 1024;
const DELIMITERS = [',', ';', '\t', '|'] as const;

/** Comma-, semicolon-, tab- or pipe-separated values: a block a row, each naming its columns. */
export const parseCsv: Parser = async ({ bytes }) => {
  const text = decodeText(bytes);
  if (hasLineBeyond(text, MAX_LINE_CHARACTERS)) return paragraphs(text);
  return tableBlocks(records(text, detectDelimiter(text)));
};

function records(text: string, delimiter: string): string[][] {
  const options = { delimiter, bom: true, relax_column_count: true, skip_empty_lines: true } as const;
  try {
    return parse(text, { ...options, relax_quotes: true });
  } catch {
    // A quote that never closes swallows the rest of the file: then quotes are plain characters.
    return parse(text, { ...options, quote: null });
  }
}

/** The delimiter that splits the most of the first lines alike; a comma where none does. */
export function detectDelimiter(text: string): string {
  const lines = text
    .slice(0, 64 * 1024)
    .replace(/"[^"]*"/g, '')
    .split(/\r?\n/, 50)
    .filter((line) => line.trim() !== '');
  let best: { delimiter: string; score: number } = { delimiter: ',', score: 0 };
  for (const delimiter of DELIMITERS) {
    const counts = lines.map((line) => line.split(delimiter).length - 1);
    const expected = counts[0] ?? 0;
    const alike = counts.filter((count) => count === expected).length / Math.max(1, counts.length);
    const score = expected === 0 ? 0 : alike + Math.min(expected, 50) / 1000;
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

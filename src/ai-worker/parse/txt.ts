import { decodeText } from './decode-text.ts';
import type { Block, Parser } from './parser.ts';

/** Plain text of any encoding: a block a paragraph, paragraphs being parted by blank lines. */
export const parseTxt: Parser = async ({ bytes }) => paragraphs(decodeText(bytes));

/** Paragraphs of plain text; line breaks inside one are kept. Line by line: there may be millions of empty ones. */
export function paragraphs(text: string): Block[] {
  const lines = text.replace(/\r\n?|\f/g, '\n');
  const blocks: Block[] = [];
  let from = 0;
  for (let start = 0; start <= lines.length; ) {
    const found = lines.indexOf('\n', start);
    const end = found === -1 ? lines.length : found;
    const isBlank = lines.slice(start, end).trim() === '';
    if (isBlank || found === -1) {
      const paragraph = lines.slice(from, end).trim();
      if (paragraph !== '') blocks.push({ kind: 'text', text: paragraph });
      from = end;
    }
    start = end + 1;
  }
  return blocks;
}

/** True where some line is longer than this: what reads line by line, or looks ahead in a line, must not try it. */
export function hasLineBeyond(text: string, characters: number): boolean {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    if ((end === -1 ? text.length : end) - start > characters) return true;
    start = end === -1 ? text.length : end + 1;
  }
  return false;
}

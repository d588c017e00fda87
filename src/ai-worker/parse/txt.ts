import { decodeText } from './decode-text.ts';
import type { Block, Parser } from './parser.ts';

/** Plain text of any encoding: a block a paragraph, paragraphs being parted by blank lines. */
export const parseTxt: Parser = async ({ bytes }) => paragraphs(decodeText(bytes));

/** Paragraphs of plain text; line breaks inside one are kept. */
export function paragraphs(text: string): Block[] {
  return text
    .replace(/\r\n?|\f/g, '\n')
    .split(/\n[^\S\n]*\n/)
    .map((paragraph) => ({ kind: 'text' as const, text: paragraph.trim() }))
    .filter((block) => block.text !== '');
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

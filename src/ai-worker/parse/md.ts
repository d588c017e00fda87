import type { Nodes, Table } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { toString as textOf } from 'mdast-util-to-string';
import { gfm } from 'micromark-extension-gfm';
import { decodeText } from './decode-text.ts';
import { htmlBlocks } from './html-blocks.ts';
import type { Block, Parser } from './parser.ts';
import { tableBlocks } from './table.ts';
import { hasLineBeyond, paragraphs } from './txt.ts';

/** The tree takes some hundred times the memory of its text, so a long text is read in parts. */
const PART_CHARACTERS = 256 * 1024;
/** micromark takes 2 to 10 ms a kilobyte: beyond this, only headings and paragraphs are told apart. */
const MAX_CHARACTERS = 8 * 1024 * 1024;
/** Lines longer than this, or deeper in quotes and lists, cost micromark quadratic time. */
const MAX_LINE_CHARACTERS = 16 * 1024;
const TOO_DEEP = /^[\t >*+-]{200}/m;
/** So do links that never close in one paragraph: no line of it is blank, or begins an item, a heading or a row. */
const MAX_PARAGRAPH_CHARACTERS = 32 * 1024;
const ENDS_PARAGRAPH = /^[\s>]*(?:$|[-*+|#]|\d+[.)]\s)/;

/** Markdown (CommonMark and GFM): headings, paragraphs, list items, table rows, code. Front matter is dropped. */
export const parseMd: Parser = async ({ bytes }) => {
  const markdown = withoutFrontMatter(decodeText(bytes).replace(/\r\n?/g, '\n'));
  if (markdown.length > MAX_CHARACTERS) return roughBlocks(markdown);
  return splitMarkdown(markdown).flatMap((part) => (isHostile(part) ? roughBlocks(part) : blocksOf(part)));
};

const isHostile = (part: string): boolean =>
  part.length > 2 * PART_CHARACTERS ||
  hasLineBeyond(part, MAX_LINE_CHARACTERS) ||
  TOO_DEEP.test(part) ||
  hasLongParagraph(part);

function hasLongParagraph(part: string): boolean {
  let characters = 0;
  for (const line of part.split('\n')) {
    characters = ENDS_PARAGRAPH.test(line) ? 0 : characters + line.length;
    if (characters > MAX_PARAGRAPH_CHARACTERS) return true;
  }
  return false;
}

/** Headings and paragraphs by their looks alone, in linear time. */
function roughBlocks(markdown: string): Block[] {
  return paragraphs(markdown.replace(/^(#{1,6} .*)$/gm, '\n$1\n')).map((block) => {
    const [, marks, text] = /^(#{1,6}) (.*)$/.exec(block.text) ?? [];
    return marks === undefined || text === undefined ? block : { kind: 'heading', level: marks.length, text };
  });
}

function blocksOf(markdown: string): Block[] {
  const tree = fromMarkdown(markdown, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
  return [...walk(tree)].filter((block) => block.text.trim() !== '');
}

function* walk(node: Nodes, marker = ''): Generator<Block> {
  switch (node.type) {
    case 'heading':
      yield { kind: 'heading', level: node.depth, text: plain(node) };
      break;
    case 'paragraph':
      yield { kind: 'text', text: marker + plain(node) };
      break;
    case 'code':
      yield { kind: 'code', text: node.value };
      break;
    case 'table':
      yield* tableBlocks(cells(node));
      break;
    case 'html':
      yield* htmlBlocks(node.value).blocks;
      break;
    case 'list':
      for (const [index, item] of node.children.entries()) {
        yield* walk(item, node.ordered === true ? `${(node.start ?? 1) + index}. ` : '- ');
      }
      break;
    case 'listItem':
      for (const [index, child] of node.children.entries()) yield* walk(child, index === 0 ? marker : '');
      break;
    case 'root':
    case 'blockquote':
    case 'footnoteDefinition':
      for (const child of node.children) yield* walk(child);
  }
}

const plain = (node: Nodes): string => textOf(node, { includeHtml: false });

const cells = (table: Table): string[][] => table.children.map((row) => row.children.map((cell) => plain(cell)));

function withoutFrontMatter(markdown: string): string {
  const fence = /^(---|\+\+\+)[^\S\n]*\n/.exec(markdown);
  if (fence === null) return markdown;
  const end = markdown.indexOf(`\n${fence[1]}`, fence[0].length - 1);
  const rest = end === -1 ? undefined : markdown.indexOf('\n', end + 1);
  return rest === undefined ? markdown : rest === -1 ? '' : markdown.slice(rest + 1);
}

/** Cuts long Markdown before blocks that start a line of their own, outside of fenced code. */
export function splitMarkdown(markdown: string): string[] {
  if (markdown.length <= PART_CHARACTERS) return [markdown];
  const parts: string[] = [];
  let start = 0;
  let fence: string | undefined;
  let blank = false;
  for (let line = 0; line < markdown.length; ) {
    const end = markdown.indexOf('\n', line) === -1 ? markdown.length : markdown.indexOf('\n', line);
    const text = markdown.slice(line, Math.min(end, line + 80));
    const mark = /^ {0,3}(```|~~~)/.exec(text)?.[1];
    const full = line - start >= PART_CHARACTERS && fence === undefined && blank && /^[^\s>]/.test(text);
    if (full) {
      parts.push(markdown.slice(start, line));
      start = line;
    }
    if (mark !== undefined) fence = fence === undefined ? mark : mark === fence ? undefined : fence;
    blank = text.trim() === '';
    line = end + 1;
  }
  return [...parts, markdown.slice(start)];
}

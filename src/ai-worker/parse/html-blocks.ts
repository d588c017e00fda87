import { Parser } from 'htmlparser2';
import { ProcessingError } from '../../documents/job.ts';
import type { Block } from './parser.ts';
import { tableBlocks } from './table.ts';

/** What a page holds, and how large its tree would be. */
export interface HtmlContent {
  blocks: Block[];
  /** Of `<title>`; empty where there is none. */
  title: string;
  nodes: number;
  /** Deepest nesting of elements. */
  depth: number;
}

const SKIPPED = new Set('script style noscript template svg math iframe object canvas select textarea'.split(' '));
const INLINE = new Set(
  'a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q ruby s samp small span strike strong sub sup time tt u var wbr'.split(
    ' ',
  ),
);

/** Each tag looks at all that are open around it. */
const MAX_DEPTH = 25_000;

interface OpenTable {
  rows: string[][];
  row: string[];
  /** Blocks of all cells, in case the table turns out to lay out a page instead of holding data. */
  content: Block[];
  layout: boolean;
}

/**
 * The blocks of HTML in reading order: headings, paragraphs and list items, table rows, code.
 * Streams through the tags without a tree: nesting and size are the document's choice.
 * @throws ProcessingError `CORRUPT_FILE` where it is nested beyond any use.
 */
export function htmlBlocks(html: string): HtmlContent {
  const found: HtmlContent = { blocks: [], title: '', nodes: 0, depth: 0 };
  const text = createTextBuffer();
  /** Where blocks go: the page, or the innermost open cell. */
  const sinks: Block[][] = [found.blocks];
  const tables: OpenTable[] = [];
  let depth = 0;
  let skipping = 0;

  const flush = (as?: Pick<Block, 'kind' | 'level'>) => {
    const block = text.take(as);
    if (block !== undefined) sinks.at(-1)?.push(block);
  };
  const parser = new Parser({
    onopentag(name, attributes) {
      found.nodes++;
      found.depth = Math.max(found.depth, ++depth);
      if (depth > MAX_DEPTH) throw new ProcessingError('CORRUPT_FILE', 'The page is nested too deeply to be read.');
      if (skipping > 0 || SKIPPED.has(name) || 'hidden' in attributes || attributes['aria-hidden'] === 'true')
        skipping++;
      else if (name === 'br') text.breakLine();
      else if (!INLINE.has(name)) {
        flush();
        text.keepLines(name === 'pre');
        openTablePart(name, tables, sinks);
      }
    },
    onattribute: () => void found.nodes++,
    oncomment: () => void found.nodes++,
    onprocessinginstruction: () => void found.nodes++,
    ontext(data) {
      found.nodes++;
      if (skipping === 0) text.add(data);
    },
    onclosetag(name) {
      depth--;
      if (skipping > 0) skipping--;
      else if (name === 'title') found.title ||= text.take()?.text ?? '';
      else if (!INLINE.has(name) && name !== 'br') {
        flush(blockOf(name));
        text.keepLines(false);
        closeTablePart(name, tables, sinks);
      }
    },
  });
  parser.end(html);
  flush();
  return found;
}

function blockOf(name: string): Pick<Block, 'kind' | 'level'> | undefined {
  const level = /^h([1-6])$/.exec(name)?.[1];
  if (level !== undefined) return { kind: 'heading', level: Number(level) };
  return name === 'pre' ? { kind: 'code' } : undefined;
}

function openTablePart(name: string, tables: OpenTable[], sinks: Block[][]): void {
  const table = tables.at(-1);
  // Headings and tables don't stand in data: such a table lays out a page.
  if (table !== undefined && /^(table|h[1-6]|article|main)$/.test(name)) table.layout = true;
  if (name === 'table') tables.push({ rows: [], row: [], content: [], layout: false });
  else if (table !== undefined && (name === 'td' || name === 'th')) sinks.push([]);
}

function closeTablePart(name: string, tables: OpenTable[], sinks: Block[][]): void {
  const table = tables.at(-1);
  if (table === undefined) return;
  if (name === 'td' || name === 'th') {
    const blocks = sinks.length > 1 ? (sinks.pop() ?? []) : [];
    table.row.push(blocks.map((block) => block.text).join(' '));
    append(table.content, blocks);
  } else if (name === 'tr') {
    table.rows.push(table.row);
    table.row = [];
  } else if (name === 'table') {
    tables.pop();
    append(sinks.at(-1) ?? [], table.layout ? table.content : tableBlocks(table.rows));
  }
}

/** Unlike `push(...items)`, does not put all items on the stack. */
function append(target: Block[], blocks: readonly Block[]): void {
  for (const block of blocks) target.push(block);
}

/** Text between two tags that part blocks; white space as a browser shows it. */
function createTextBuffer() {
  let pieces: string[] = [];
  let verbatim = false;
  return {
    add: (data: string) => void pieces.push(verbatim ? data : data.replace(/\s+/g, ' ')),
    breakLine: () => void pieces.push('\n'),
    keepLines(keep: boolean) {
      verbatim = keep;
    },
    /** Empties the buffer; undefined where it held no text. */
    take(as: Pick<Block, 'kind' | 'level'> = { kind: 'text' }): Block | undefined {
      const raw = pieces.join('');
      pieces = [];
      const text = as.kind === 'code' ? raw.replace(/^\n+/, '').trimEnd() : tidyLines(raw);
      return text === '' ? undefined : { ...as, text };
    },
  };
}

const tidyLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();

import { decodeText } from './decode-text.ts';
import { type HtmlContent, htmlBlocks } from './html-blocks.ts';
import type { Block, Parser } from './parser.ts';
import { readablePart } from './readable-part.ts';

/** Beyond these, finding the readable part costs more than the boilerplate that it removes. */
const MAX_READABLE = { nodes: 50_000, depth: 256 } as const;
/** Less than this is a teaser that was taken for the article. */
const MIN_READABLE_CHARACTERS = 200;

/** HTML: its readable part where one stands out, else the whole body; never scripts or styles. */
export const parseHtml: Parser = async ({ bytes }) => {
  const html = decodeText(bytes, declaredEncoding(bytes));
  const whole = htmlBlocks(html);
  return withTitle(readableBlocks(html, whole) ?? whole.blocks, whole);
};

function readableBlocks(html: string, { nodes, depth }: HtmlContent): Block[] | undefined {
  if (nodes > MAX_READABLE.nodes || depth > MAX_READABLE.depth) return undefined;
  const { blocks } = htmlBlocks(readablePart(html) ?? '');
  const characters = blocks.reduce((sum, block) => sum + block.text.length, 0);
  return characters < MIN_READABLE_CHARACTERS ? undefined : blocks;
}

/** Puts the page's own heading, or else its title, above everything: the readable part comes without. */
function withTitle(blocks: Block[], { blocks: all, title }: HtmlContent): Block[] {
  const top = all.find((block) => block.kind === 'heading' && block.level === 1)?.text ?? title;
  const isTop = (block: Block): boolean => block.kind === 'heading' && block.text === top;
  if (top === '' || blocks.length === 0 || blocks.some((block) => isTop(block) && block.level === 1)) return blocks;
  return [{ kind: 'heading', level: 1, text: top }, ...blocks.filter((block) => !isTop(block))];
}

function declaredEncoding(bytes: Uint8Array): { hint?: string } {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
  const hint = /<(?:meta[^>]*charset|\?xml[^>]*encoding)\s*=\s*["']?([\w-]+)/i.exec(start)?.[1];
  return hint === undefined ? {} : { hint };
}

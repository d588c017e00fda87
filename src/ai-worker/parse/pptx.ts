import { type OfficeContentNode, parseOffice } from 'officeparser';
import { vetOoxml } from './ooxml.ts';
import type { Block, Parser } from './parser.ts';
import { tableBlocks } from './table.ts';

/** PowerPoint presentations: a slide is a page under its title; its notes follow it. */
export const parsePptx: Parser = async ({ bytes }) => {
  const file = Buffer.from(vetOoxml(bytes, 'ppt/presentation'));
  const { content } = await parseOffice(file, { fileType: 'pptx', ignoreComments: true });
  return content.flatMap((slide, index): Block[] => {
    const page = index + 1;
    const blocks: Block[] = [];
    for (const node of [...(slide.children ?? []), ...(slide.notes ?? [])]) addBlocks(node, page, blocks);
    return blocks;
  });
};

function addBlocks(node: OfficeContentNode, page: number, blocks: Block[]): void {
  if (node.type === 'table') {
    for (const block of tableBlocks(tableRows(node), { page })) blocks.push(block);
  } else if (node.type === 'heading') {
    push(blocks, { kind: 'heading', level: 1, text: nodeText(node), page });
  } else if (node.type === 'text' || node.children?.some((child) => child.type === 'text')) {
    push(blocks, { kind: 'text', text: nodeText(node), page });
  } else {
    for (const child of node.children ?? []) addBlocks(child, page, blocks);
  }
}

function push(blocks: Block[], block: Block): void {
  if (block.text.trim() !== '') blocks.push(block);
}

const tableRows = (table: OfficeContentNode): string[][] =>
  (table.children ?? []).map((row) => (row.children ?? []).map((cell) => nodeText(cell, ' ')));

/** Runs of one paragraph touch; paragraphs of one cell don't. */
function nodeText(node: OfficeContentNode, separator = ''): string {
  const { children = [] } = node;
  return children.length === 0 ? (node.text ?? '') : children.map((child) => nodeText(child)).join(separator);
}

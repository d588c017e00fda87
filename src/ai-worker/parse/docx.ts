import mammoth from 'mammoth';
import { htmlBlocks } from './html-blocks.ts';
import { vetOoxml } from './ooxml.ts';
import type { Parser } from './parser.ts';

/** Titles stand above the first level of headings. */
const STYLES = [
  "p[style-name='Title'] => h1:fresh",
  "p[style-name='Subtitle'] => p:fresh",
  ...[1, 2, 3, 4, 5, 6].map((level) => `p[style-name='heading ${level}'] => h${Math.min(level + 1, 6)}:fresh`),
];

/** Word documents: headings by their styles, paragraphs, lists, table rows, footnotes. */
export const parseDocx: Parser = async ({ bytes }) => {
  const buffer = Buffer.from(vetOoxml(bytes, 'word/document'));
  const { value } = await mammoth.convertToHtml(
    { buffer },
    // Pictures are not read: without this each would be inlined as base64.
    { styleMap: STYLES, convertImage: mammoth.images.imgElement(async () => ({ src: '' })) },
  );
  return htmlBlocks(value).blocks;
};

import { fileURLToPath } from 'node:url';
import { getDocument, PasswordException, type PDFDocumentProxy, VerbosityLevel } from 'pdfjs-dist/legacy/build/pdf.mjs';
import { ProcessingError } from '../../documents/job.ts';
import { type Block, OcrNeededError, type OcrPolicy, type Parser } from './parser.ts';
import { blocksOfLines, type Line, linesOf } from './pdf-lines.ts';
import { withoutRunningLines } from './pdf-running-lines.ts';

/** Tables for East Asian encodings and the metrics of the 14 standard fonts. */
const packaged = (folder: string): string =>
  fileURLToPath(new URL(`../../${folder}/`, import.meta.resolve('pdfjs-dist/legacy/build/pdf.mjs')));

/** Pictures of more are left out: each dot takes four bytes. */
const MAX_IMAGE_DOTS = 64_000_000;

/** PDF: paragraphs and headings with their pages; with OCR, pages that are pictures as well. */
export const parsePdf: Parser = async ({ bytes, ocr }) => {
  assertWhole(bytes);
  const task = getDocument({
    // A copy: pdf.js detaches what it is given, and refuses a Buffer.
    data: new Uint8Array(bytes),
    cMapUrl: packaged('cmaps'),
    cMapPacked: true,
    standardFontDataUrl: packaged('standard_fonts'),
    wasmUrl: packaged('wasm'),
    useSystemFonts: false,
    disableFontFace: true,
    maxImageSize: MAX_IMAGE_DOTS,
    verbosity: VerbosityLevel.ERRORS,
  });
  try {
    const document = await task.promise;
    const { lines, empty } = await readPages(document, ocr);
    const scanned = ocr === 'here' ? await scanPages(document, empty) : [];
    if (lines.length + scanned.length === 0) throw noText(ocr !== 'off');
    return [...blocksOfLines(lines), ...scanned].sort((a, b) => (a.page ?? 0) - (b.page ?? 0));
  } catch (error) {
    throw lockedError(error);
  } finally {
    await task.destroy();
  }
};

/**
 * The lines of all pages, and the numbers of those without any.
 * @throws OcrNeededError at the first one without, where another process reads pictures.
 */
async function readPages(document: PDFDocumentProxy, ocr: OcrPolicy): Promise<{ lines: Line[]; empty: number[] }> {
  const pages: Line[][] = [];
  const empty: number[] = [];
  for (let number = 1; number <= document.numPages; number++) {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    const found = linesOf(items, number);
    if (found.length === 0 && ocr === 'elsewhere') throw new OcrNeededError();
    if (found.length === 0) empty.push(number);
    else pages.push(found);
    page.cleanup();
  }
  return { lines: withoutRunningLines(pages), empty };
}

/** Loaded only here: OCR brings native code, which a process without it may not load. */
async function scanPages(document: PDFDocumentProxy, numbers: readonly number[]): Promise<Block[]> {
  if (numbers.length === 0) return [];
  const [{ openOcr }, { pictureOf }] = await Promise.all([import('./ocr.ts'), import('./pdf-scan.ts')]);
  const reader = await openOcr();
  try {
    const blocks: Block[] = [];
    for (const number of numbers) {
      const page = await document.getPage(number);
      for (const block of await reader.read(await pictureOf(page))) blocks.push({ ...block, page: number });
      page.cleanup();
    }
    return blocks;
  } finally {
    await reader.close();
  }
}

function noText(ocr: boolean): ProcessingError {
  const advice = ocr ? '' : ' If its pages are scanned, they are only read where OCR_ENABLED=true is set.';
  return new ProcessingError('NO_TEXT', `The PDF holds no text.${advice}`);
}

/**
 * pdf.js repairs what it can and reads a file that was cut off up to the cut; half of a document
 * must not pass for the whole. Some writers append a few bytes to the mark.
 */
function assertWhole(bytes: Uint8Array): void {
  const end = new TextDecoder('latin1').decode(bytes.subarray(-4096));
  if (!/%%EOF|startxref/.test(end))
    throw new ProcessingError('CORRUPT_FILE', 'The PDF is cut off: its end is missing.');
}

function lockedError(error: unknown): unknown {
  if (!(error instanceof PasswordException)) return error;
  const message = 'The PDF is protected by a password. Remove the password and upload it again.';
  return new ProcessingError('ENCRYPTED_FILE', message, { cause: error });
}

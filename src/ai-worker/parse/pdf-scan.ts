import { createCanvas } from '@napi-rs/canvas';
import type { PDFPageProxy } from 'pdfjs-dist/legacy/build/pdf.mjs';

/** PDF units are 1/72 inch: print is read best at 200 to 300 dots an inch. */
const SCALE = 200 / 72;
/** A page of any size becomes a picture of at most so many dots. */
const MAX_DOTS = 16_000_000;
/** However thin it is. */
const MAX_SIDE = 10_000;

/** A page as a PNG, for OCR. */
export async function pictureOf(page: PDFPageProxy): Promise<Uint8Array> {
  const { width, height } = page.getViewport({ scale: 1 });
  const scale = Math.min(SCALE, Math.sqrt(MAX_DOTS / (width * height)), MAX_SIDE / Math.max(width, height));
  const viewport = page.getViewport({ scale });
  const canvas = createCanvas(Math.ceil(viewport.width), Math.ceil(viewport.height));
  await page.render({ canvas, viewport }).promise;
  return canvas.toBuffer('image/png');
}

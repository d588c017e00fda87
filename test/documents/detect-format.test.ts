import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { detectFormat } from '../../src/documents/detect-format.ts';
import type { Format } from '../../src/documents/formats.ts';
import { DomainError } from '../../src/platform/errors.ts';

const library = (name: string): Uint8Array => readFileSync(new URL(`../fixtures/library/${name}`, import.meta.url));
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const ole = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(1024)]);
const garbage = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7919) % 256);
const png = library('notice-board.png');

function detect(
  head: Uint8Array | string,
  name: string,
  options: { declared?: string; ocr?: boolean } = {},
): Promise<Format> {
  return detectFormat(typeof head === 'string' ? bytesOf(head) : head, name, { ocr: false, ...options });
}

const unsupported =
  (message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof DomainError && error.code === 'UNSUPPORTED_FORMAT' && message.test(error.message);

describe('detectFormat', () => {
  for (const [name, format] of Object.entries({
    'fog-signal.txt': 'txt',
    'letter-of-a-pilot.txt': 'txt',
    'keepers-handbook.md': 'md',
    'tide-station.html': 'html',
    'berths.json': 'json',
    'arrivals-1931.csv': 'csv',
    'harbour-survey.pdf': 'pdf',
    'pilotage-rules.docx': 'docx',
    'stores-ledger.xlsx': 'xlsx',
    'rescue-training.pptx': 'pptx',
    'notice-board.png': 'png',
    'chart-correction.jpg': 'jpg',
  })) {
    it(`finds ${name} to be ${format}`, async () => {
      assert.equal(await detect(library(name), name, { ocr: true }), format);
    });
  }

  for (const [name, format] of Object.entries({
    'harbour-survey.pdf': 'pdf',
    'pilotage-rules.docx': 'docx',
    'stores-ledger.xlsx': 'xlsx',
    'rescue-training.pptx': 'pptx',
    'tide-station.html': 'html',
    'berths.json': 'json',
    'fog-signal.txt': 'txt',
  })) {
    it(`finds ${format} without a name that helps`, async () => {
      assert.equal(await detect(library(name), 'upload'), format);
    });
  }

  it('takes text for what its name or the client says', async () => {
    assert.equal(await detect('{"a": 1}', 'a.md'), 'md');
    assert.equal(await detect('a,b', 'A.CSV'), 'csv');
    assert.equal(await detect('a,b', 'a.md', { declared: 'csv' }), 'csv');
    assert.equal(await detect('a,b', 'a', { declared: 'CSV' }), 'csv');
    assert.equal(await detect('[2024] a log', 'a'), 'txt');
  });

  it('takes text for text, whatever its first letters mean elsewhere', async () => {
    assert.equal(await detect('BM is short for bench mark, and MZ for nothing.', 'a.txt'), 'txt');
    assert.equal(await detect('A PDF starts with %PDF-1.7.', 'a.md'), 'md');
    assert.equal(await detect('<?xml version="1.0"?><list><item>rope</item></list>', 'a.txt'), 'txt');
    assert.equal(await detect(Buffer.from('\ufeffTide', 'utf16le'), 'a.txt'), 'txt');
    assert.equal(await detect(Buffer.from('Tide tables', 'utf16le'), 'a.txt'), 'txt');
    assert.equal(await detect(Buffer.from('f0d2c9d7c5d42c20cdc9d221', 'hex'), 'a.txt'), 'txt');
  });

  it('takes an Office file with a password for what its name says, so that processing can tell', async () => {
    assert.equal(await detect(ole, 'a.docx'), 'docx');
    await assert.rejects(detect(ole, 'a.txt'), unsupported(/with a password, but the name says txt/));
    await assert.rejects(detect(ole, 'a.doc'), unsupported(/old binary/));
  });

  it('takes an archive for the Office file that its name says', async () => {
    const zip = bytesOf('PK\x03\x04 whatever');
    assert.equal(await detect(zip, 'a.xlsx'), 'xlsx');
    await assert.rejects(detect(zip, 'a.zip'), unsupported(/ZIP archive.*Supported formats: txt, md/));
    await assert.rejects(detect(zip, 'a.pdf'), unsupported(/ZIP archive, but the name says pdf/));
  });

  it('takes a PDF that is cut off, or starts late, for a PDF', async () => {
    assert.equal(await detect(library('harbour-survey.pdf').subarray(0, 100), 'a.pdf'), 'pdf');
    assert.equal(await detect('junk before\n%PDF-1.4\n', 'a.pdf'), 'pdf');
  });

  it('refuses what contradicts its name, saying both', async () => {
    await assert.rejects(
      detect(library('harbour-survey.pdf'), 'a.docx'),
      unsupported(/looks like pdf, but the name says docx/),
    );
    await assert.rejects(
      detect(library('pilotage-rules.docx'), 'a.xlsx'),
      unsupported(/looks like docx, but the name says xlsx/),
    );
    await assert.rejects(detect(png, 'a.txt'), unsupported(/looks like png, but the name says txt/));
    await assert.rejects(detect('plain', 'a.pdf'), unsupported(/looks like plain text, but the name says pdf/));
    await assert.rejects(detect(garbage, 'a.txt'), unsupported(/binary data of no known kind, but the name says txt/));
    await assert.rejects(detect('{\\rtf1 a}', 'a.txt'), unsupported(/looks like rtf/));
    await assert.rejects(
      detect('plain', 'a.txt', { declared: 'pdf' }),
      unsupported(/but the declared format says pdf/),
    );
  });

  it('refuses what it does not know, listing what it does', async () => {
    await assert.rejects(
      detect(garbage, 'a'),
      unsupported(/Supported formats: txt, md, html, json, csv, pdf, docx, xlsx, pptx\.$/),
    );
    await assert.rejects(detect(garbage, 'a', { ocr: true }), unsupported(/pptx, png, jpg\.$/));
    await assert.rejects(detect('text', 'a', { declared: 'toString' }), unsupported(/declared format is not known/));
  });

  it('refuses pictures where OCR is off, saying how to turn it on', async () => {
    await assert.rejects(detect(png, 'a.png'), unsupported(/OCR_ENABLED=true/));
    await assert.rejects(detect(png, 'a'), unsupported(/OCR_ENABLED=true/));
  });

  it('calls nothing plain text', async () => {
    assert.equal(await detect('', 'a'), 'txt');
  });
});

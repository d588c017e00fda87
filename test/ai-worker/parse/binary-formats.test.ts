import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { drawText } from '../../fixtures/draw-text.ts';
import { docxParts, type Parts, pptxParts, xlsxParts, zipParts } from '../../fixtures/write-ooxml.ts';
import { writePdf } from '../../fixtures/write-pdf.ts';
import { sharedEntries } from '../../support/greedy-documents.ts';
import { failsWith, fixture, parse, texts } from './fixture.ts';

/** An OLE container with a stream of this name: what Office makes of a document with a password. */
function oleContainer(stream: string): Uint8Array {
  const bytes = Buffer.alloc(2048);
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(bytes);
  bytes.write(stream, 1024, 'utf16le');
  return bytes;
}

/** Changes the size that the central directory gives for the entry with this name, and its method. */
function withDeclaredSize(zip: Uint8Array, name: string, size: number, { deflated = false } = {}): Uint8Array {
  const bytes = Buffer.from(zip);
  for (let at = bytes.indexOf('PK\x01\x02'); at !== -1; at = bytes.indexOf('PK\x01\x02', at + 4)) {
    const found = bytes.toString('latin1', at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    if (found !== name) continue;
    bytes.writeUInt32LE(size, at + 24);
    if (deflated) bytes.writeUInt16LE(8, at + 10);
  }
  return bytes;
}

const secretTrailer = `/Encrypt << /Filter /Standard /V 1 /R 2 /O <${'5a'.repeat(32)}> /U <${'a5'.repeat(32)}> /P -4 >> /ID [<00> <00>]`;

describe('parsing PDF', () => {
  it('reads paragraphs, headings and pages, and joins parted words', async () => {
    const blocks = await parse('pdf', fixture('harbour-survey.pdf'));
    assert.deepEqual(
      blocks.filter((block) => block.kind === 'heading').map(({ text, level, page }) => [text, level, page]),
      [
        ['Survey of the harbour of Gull Point, 2022', 1, 1],
        ['The channel', 2, 1],
        ['The wreck of the Corvina', 2, 2],
        ['Recommendations', 2, 2],
      ],
    );
    assert.match(
      blocks[1]?.text ?? '',
      /^The survey was made .* of two hundred kilohertz\. It covers .* between two springs\.$/,
    );
    assert.equal(blocks.at(-1)?.page, 2);
  });

  it('leaves out running headers and page numbers, and the dots of a table of contents', async () => {
    const page = (number: number) => [
      { text: 'Pilots of Gull Point' },
      ...['rope', 'lamp', 'horn', 'bell'].map((thing) => ({ text: `The ${thing} of ${number * 7}.`, gap: 20 })),
      { text: `The anchor of chapter ${number} . . . . . . . . . . . 7`, gap: 20 },
      { text: `- ${number} -`, gap: 300 },
    ];
    const blocks = await parse('pdf', writePdf([1, 2, 3, 4].map(page)));
    const all = texts(blocks);
    assert.ok(!all.some((text) => /Pilots|^- /.test(text)));
    assert.ok(all.includes('The rope of 28.') && all.includes('The anchor of chapter 4 … 7'));
  });

  it('refuses one with a password', async () => {
    const locked = writePdf([[{ text: 'secret' }]], { trailer: secretTrailer });
    await assert.rejects(parse('pdf', locked), failsWith('ENCRYPTED_FILE', /password/));
  });

  it('refuses one that is cut off, wherever', async () => {
    const whole = fixture('harbour-survey.pdf');
    for (const share of [0.1, 0.5, 0.9, 0.98]) {
      await assert.rejects(parse('pdf', whole.subarray(0, whole.length * share)), failsWith('CORRUPT_FILE'));
    }
  });

  it('refuses one whose later revision is cut off', async () => {
    const revision = `9 0 obj\n<< /Length 9000 >>\nstream\n${'later text '.repeat(500)}`;
    const cut = Buffer.concat([fixture('harbour-survey.pdf'), Buffer.from(revision)]);
    await assert.rejects(parse('pdf', cut), failsWith('CORRUPT_FILE', /cut off/));
  });

  it('refuses garbage', async () => {
    await assert.rejects(parse('pdf', '%PDF-1.7\ngarbage\n%%EOF'), failsWith('CORRUPT_FILE'));
    await assert.rejects(parse('pdf', new Uint8Array()), failsWith('CORRUPT_FILE'));
  });

  it('says that scanned pages need OCR, and reads them with it', async () => {
    const { image: jpeg, ...size } = drawText(['The beacon was painted white.'], 'jpeg');
    const scan = writePdf([[{ text: 'A page of letters.' }], { jpeg, ...size }]);
    assert.deepEqual(texts(await parse('pdf', scan)), ['A page of letters.']);
    await assert.rejects(parse('pdf', writePdf([{ jpeg, ...size }])), failsWith('NO_TEXT', /OCR_ENABLED/));
    const read = await parse('pdf', scan, { ocr: true });
    assert.deepEqual(
      read.map(({ text, page }) => [text, page]),
      [
        ['A page of letters.', 1],
        ['The beacon was painted white.', 2],
      ],
    );
  });
});

describe('parsing Word documents', () => {
  it('reads titles, headings, paragraphs and tables', async () => {
    const blocks = await parse('docx', fixture('pilotage-rules.docx'));
    assert.deepEqual(
      blocks.filter((block) => block.kind === 'heading').map(({ text, level }) => [text, level]),
      [
        ['Rules of pilotage for Gull Point', 1],
        ['Who must take a pilot', 2],
        ['Boarding', 2],
        ['When boarding is suspended', 3],
        ['Fees', 2],
      ],
    );
    assert.ok(
      texts(blocks, 'row').includes('Length of the vessel: over 90 m; Fee by day: 540 EUR; Fee by night: 690 EUR'),
    );
  });
});

describe('parsing workbooks', () => {
  it('reads each sheet as a page, dates as dates', async () => {
    const blocks = await parse('xlsx', fixture('stores-ledger.xlsx'));
    assert.deepEqual(
      blocks.filter((block) => block.kind === 'heading').map(({ text, page }) => [text, page]),
      [
        ['Stores', 1],
        ['Suppliers', 2],
      ],
    );
    assert.ok(
      texts(blocks, 'row').includes(
        'Item: Parachute flares; Shelf: Locked chest; Quantity: 36; Unit: pieces; Last counted: 2024-02-12',
      ),
    );
  });

  it('finds no text in empty sheets', async () => {
    await assert.rejects(parse('xlsx', zipParts(xlsxParts({ Empty: [] }))), failsWith('NO_TEXT'));
  });
});

describe('parsing presentations', () => {
  it('reads slides as pages, with their titles and notes', async () => {
    const blocks = await parse('pptx', fixture('rescue-training.pptx'));
    assert.deepEqual(
      blocks.filter((block) => block.page === 2).map(({ kind, text }) => [kind, text]),
      [
        ['heading', 'Cold water'],
        ['text', 'The first minute: the gasp, keep the mouth out of the water'],
        ['text', 'Ten minutes: the hands stop working'],
        ['text', 'One hour: consciousness fades'],
        ['text', 'Ask who has fallen in before, and let them tell it.'],
      ],
    );
  });
});

describe('parsing hostile Office files', () => {
  const samples: Record<'docx' | 'xlsx' | 'pptx', { parts: Parts; main: string }> = {
    docx: { parts: docxParts([{ text: 'Rope' }]), main: 'word/document.xml' },
    xlsx: { parts: xlsxParts({ Stores: [['Rope']] }), main: 'xl/worksheets/sheet1.xml' },
    pptx: { parts: pptxParts([{ title: 'Rope', lines: [] }]), main: 'ppt/slides/slide1.xml' },
  };

  const BLANK_BYTES = 100 * 1024 * 1024;
  let blank: Uint8Array;
  before(() => {
    blank = deflateRawSync(Buffer.alloc(BLANK_BYTES, ' '), { level: 1 });
  });

  for (const format of ['docx', 'xlsx', 'pptx'] as const) {
    const { parts, main } = samples[format];
    const sound = zipParts(parts);

    it(`reads a sound ${format}`, async () => {
      assert.ok(texts(await parse(format, sound)).includes('Rope'));
    });

    it(`refuses ${format} garbage, and one that is cut off`, async () => {
      await assert.rejects(parse(format, 'PK\x03\x04garbage'), failsWith('CORRUPT_FILE'));
      await assert.rejects(parse(format, sound.subarray(0, sound.length / 2)), failsWith('CORRUPT_FILE'));
      await assert.rejects(parse(format, new Uint8Array()), failsWith('CORRUPT_FILE'));
      await assert.rejects(
        parse(format, zipParts({ 'a.xml': '<a/>' })),
        failsWith('CORRUPT_FILE', /without the .* part/),
      );
    });

    it(`refuses a ${format} with a password, and one of the old kind`, async () => {
      await assert.rejects(parse(format, oleContainer('EncryptedPackage')), failsWith('ENCRYPTED_FILE', /password/));
      await assert.rejects(parse(format, oleContainer('WordDocument')), failsWith('CORRUPT_FILE', /old binary/));
    });

    it(`refuses entities that expand without end in ${format}`, async () => {
      const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('');
      const laughs = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">${entities}]>`;
      const hostile = {
        ...parts,
        [main]: `${laughs}${parts[main]?.replace(/^<\?xml.*\n/, '').replace('Rope', '&l9;')}`,
      };
      await assert.rejects(parse(format, zipParts(hostile)), failsWith('CORRUPT_FILE', /document type/));
    });

    it(`refuses a ${format} that inflates beyond measure`, async () => {
      const files = Object.fromEntries(Object.entries(parts).map(([name, xml]) => [name, strToU8(xml)]));
      const blanks = ['a.xml', 'b.xml', 'c.xml'];
      const zip = zipSync({ ...files, ...Object.fromEntries(blanks.map((name) => [name, blank])) }, { level: 0 });
      const bomb = blanks.reduce<Uint8Array>(
        (bytes, name) => withDeclaredSize(bytes, name, BLANK_BYTES, { deflated: true }),
        zip,
      );
      assert.ok(bomb.length < 3_000_000);
      await assert.rejects(parse(format, bomb), failsWith('TOO_LARGE_EXPANDED', /256 MB/));
    });

    it(`is not deceived by a ${format} that lies about its size`, async () => {
      await assert.rejects(parse(format, withDeclaredSize(sound, main, 2 ** 31)), failsWith('TOO_LARGE_EXPANDED'));
      // Cut at the size that it declares, the part is no XML any more.
      await assert.rejects(parse(format, withDeclaredSize(sound, main, 200)), failsWith('CORRUPT_FILE'));
    });

    for (const stored of [true, false])
      it(`refuses a ${format} of ${stored ? 'stored' : 'packed'} entries that share their bytes`, async () => {
        const shared = sharedEntries(parts, { copies: 200, stored });
        assert.ok(shared.length < 1_100_000);
        await assert.rejects(parse(format, shared), failsWith('CORRUPT_FILE', /ZIP/));
      });

    it(`refuses a ${format} with an entry of a size that no packing can reach`, async () => {
      const lying = withDeclaredSize(sound, main, 100 * 1024 * 1024);
      await assert.rejects(parse(format, lying), failsWith('CORRUPT_FILE', /ZIP/));
    });

    it(`refuses a ${format} that is nested too deeply`, async () => {
      const nested = `<w:p>${'<x>'.repeat(50_000)}${'</x>'.repeat(50_000)}</w:p>`;
      const hostile = {
        ...parts,
        [main]: (parts[main] ?? '').replace(/<w:sectPr\/>|<\/sheetData>|<\/p:spTree>/, `${nested}$&`),
      };
      const outcome = await parse(format, zipParts(hostile)).catch((error: unknown) => error);
      // Some readers cope; whichever it is, it is told and nothing crashes.
      assert.ok(Array.isArray(outcome) || failsWith('CORRUPT_FILE')(outcome));
    });
  }
});

describe('parsing pictures', () => {
  for (const [format, name, expected] of [
    ['png', 'notice-board.png', /The ferry to Little Hest leaves at nine and at four\./],
    ['jpg', 'chart-correction.jpg', /two cables north of the Saltern beacon\./],
  ] as const) {
    it(`reads the print on a ${format}`, async () => {
      assert.match(texts(await parse(format, fixture(name), { ocr: true })).join('\n'), expected);
    });

    it(`refuses a ${format} where OCR is off, and one that is damaged`, async () => {
      await assert.rejects(parse(format, fixture(name)), failsWith('NO_TEXT', /OCR_ENABLED/));
      await assert.rejects(parse(format, fixture(name).subarray(0, 300), { ocr: true }), failsWith('CORRUPT_FILE'));
    });
  }

  it('finds no text on a blank picture', async () => {
    await assert.rejects(parse('png', drawText(['', ''], 'png').image, { ocr: true }), failsWith('NO_TEXT'));
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { zipSync } from 'fflate';
import { type EmbeddingsServer, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { docxParts, type Parts, xlsxParts } from '../fixtures/write-ooxml.ts';
import { writePdf } from '../fixtures/write-pdf.ts';
import { formsInForms, HOSTILE_PDFS } from '../support/hostile-pdf.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';

const MB = 1024 * 1024;

/** Inflates to 300 MB, a thousandth of which it takes itself. */
function bomb(parts: Parts, folder: string): Uint8Array {
  const zeros = new Uint8Array(100 * MB);
  const files = Object.entries(parts).map(([name, xml]) => [name, Buffer.from(xml)] as const);
  const large = [1, 2, 3].map((index) => [`${folder}/bomb${index}.xml`, zeros] as const);
  return zipSync(Object.fromEntries([...files, ...large]), { level: 1 });
}

const docx = () => docxParts([{ text: 'harmless' }]);

/** Ten to the seventh of a thousand letters. */
function entities(): Uint8Array {
  const names = 'bcdefgh'.split('').map((name, i) => `<!ENTITY ${name} "${`&${'abcdefg'[i]};`.repeat(10)}">`);
  const type = `<!DOCTYPE x [<!ENTITY a "${'a'.repeat(1000)}">${names.join('')}]>`;
  const parts = Object.entries(docx()).map(([part, xml]) => [
    part,
    Buffer.from(part === 'word/document.xml' ? xml.replace('<w:document', `${type}<w:document`) : xml),
  ]);
  return zipSync(Object.fromEntries(parts));
}

describe('hostile documents', function suite() {
  this.timeout(300_000);
  let provider: EmbeddingsServer;
  let service: Service;
  let worker: number | undefined;
  before(async () => {
    // Some are long: a model of our own would need an hour for them.
    provider = await startEmbeddingsServer();
    service = await startService(provider.settings);
    worker = workerPid();
  });
  after(async () => {
    await service?.stop();
    await provider?.close();
  });
  afterEach(async () => {
    const response = await service.upload('good.txt', `good ${randomUUID()}`);
    const good = await service.settled(((await response.json()) as ShownDocument).id);
    assert.equal(good.status, 'completed', 'the next document is read');
    assert.equal(workerPid(), worker, 'the worker itself goes on');
  });

  const workerPid = () => service.stack.processes.find(({ name }) => name === 'worker')?.pid;
  const accept = async (name: string, content: string | Uint8Array) => {
    const response = await service.upload(name, content);
    assert.equal(response.status, 202);
    return ((await response.json()) as ShownDocument).id;
  };
  const outcome = async (name: string, content: string | Uint8Array) => service.settled(await accept(name, content));

  for (const [what, name, content, code] of [
    ['a docx that inflates', 'bomb.docx', () => bomb(docx(), 'word'), 'TOO_LARGE_EXPANDED'],
    ['an xlsx that inflates', 'bomb.xlsx', () => bomb(xlsxParts({ A: [['harmless']] }), 'xl'), 'TOO_LARGE_EXPANDED'],
    ['a docx of entities that multiply', 'entities.docx', entities, 'CORRUPT_FILE'],
  ] as [string, string, () => Uint8Array, string][])
    it(`fails ${what}, in bounds`, async () => {
      const done = await outcome(name, content());
      assert.deepEqual([done.status, done.error?.code], ['failed', code]);
    });

  it('ends JSON that nests without end', async () => {
    const levels = 200_000;
    const done = await outcome('deep.json', '['.repeat(levels) + ']'.repeat(levels));
    assert.ok(done.status === 'completed' || done.error?.code !== 'WORKER_CRASHED', done.error?.code);
  });

  for (const [what, content] of Object.entries(HOSTILE_PDFS))
    it(`ends a PDF with ${what}`, async () => {
      const done = await outcome('circle.pdf', content());
      const end = done.error?.code ?? done.status;
      assert.ok(['completed', 'CORRUPT_FILE', 'NO_TEXT'].includes(end), end);
    });

  for (const [what, page, end] of [
    ['two million spaces by number', () => `first${'&#32;'.repeat(2 * MB)}last`, 'completed'],
    ['code that is white space', () => `<pre>first${' '.repeat(MB)}last</pre>`, 'completed'],
    ['two million comments', () => `first${'<!---->'.repeat(2 * MB)}last`, 'completed'],
    [
      'a tag with a million attributes',
      () => `<p ${Array.from({ length: MB }, (_, i) => `a${i}`).join(' ')}>first`,
      'completed',
    ],
    ['tables in tables without end', () => '<table><tr><td>'.repeat(100_000), 'CORRUPT_FILE'],
  ] as const)
    it(`ends HTML of ${what}`, async () => {
      const done = await outcome('page.html', `<html><body>${page()}`);
      assert.equal(done.error?.code ?? done.status, end);
    });

  it('reads a PDF of 10,000 pages to its last', async () => {
    const pages = Array.from({ length: 10_000 }, (_, index) => [{ text: `Page ${index + 1} of ten thousand.` }]);
    const done = await outcome('pages.pdf', writePdf(pages));
    assert.deepEqual([done.status, done.error], ['completed', undefined]);
    const last = await service.call(`/api/v1/documents/${done.id}/chunks?limit=1&cursor=${done.chunks - 2}`);
    const { items } = (await last.json()) as { items: { text: string }[] };
    assert.match(items[0]?.text ?? '', /Page 10000 of ten thousand\.$/);
  });

  for (const [what, line] of [
    ['one word', () => 'a'.repeat(30 * MB)],
    ['white space', () => `"first${' '.repeat(30 * MB)}last"`],
  ] as const)
    it(`keeps a CSV whose one line is 30 MB of ${what} to chunks that can be shown`, async () => {
      const done = await outcome('line.csv', `name,note\n${line()}\n`);
      assert.deepEqual([done.status, done.error], ['completed', undefined]);
      const response = await service.call(`/api/v1/documents/${done.id}/chunks?limit=100`);
      const { items } = (await response.json()) as { items: { text: string }[] };
      assert.ok(items.length > 0);
      assert.deepEqual(
        items.map(({ text }) => text.length).filter((length) => length > 10_000),
        [],
      );
    });

  it('fails a CSV whose one line has 15 million cells, in bounds', async () => {
    const done = await outcome('cells.csv', 'x,'.repeat(15 * MB));
    assert.deepEqual([done.status, done.error?.code], ['failed', 'TOO_LARGE_EXPANDED']);
  });

  it('tries what uses its computing up once', async () => {
    const done = await outcome('forms.pdf', formsInForms(30));
    assert.deepEqual([done.status, done.error?.code, done.attempts], ['failed', 'PARSE_TIMEOUT', 1]);
  });
});

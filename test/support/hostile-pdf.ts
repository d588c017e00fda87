/** PDFs whose objects lead in circles, or promise more than there is. Each is a few hundred bytes. */

const PAGES = '<< /Type /Pages /Count 1 /Kids [5 0 R] >>';
const FONT = '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>';
const WORDS = 'BT /F1 12 Tf 72 700 Td (a page in good order) Tj ET';

/** A page of objects 3 (font) and 4 (content), in the place of object 5. */
const page = ({ contents = '4 0 R', resources = '', box = '0 0 595 842' } = {}): string =>
  `<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> ${resources} >> /MediaBox [${box}] /Contents ${contents} >>`;

const stream = (data: string, { entries = '', length = String(data.length) } = {}): string =>
  `<< ${entries} /Length ${length} >>\nstream\n${data}\nendstream`;

/** A form that draws itself, twice. */
const FORM = stream('/X Do /X Do', {
  entries: '/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>',
});

/** What each does, and the document. */
export const HOSTILE_PDFS: Record<string, () => Uint8Array> = {
  'a page tree that holds itself': () => pdf(['<< /Type /Pages /Count 3 /Kids [2 0 R] >>']),
  'two nodes of a page tree that hold each other': () =>
    pdf(['<< /Type /Pages /Count 3 /Kids [3 0 R] >>', '<< /Type /Pages /Parent 2 0 R /Count 3 /Kids [2 0 R] >>']),
  'two billion pages that are not there': () =>
    pdf([PAGES.replace('/Count 1', '/Count 2000000000'), FONT, stream(WORDS), page()]),
  'two references that refer to each other': () =>
    pdf([PAGES, FONT, stream(WORDS), page({ contents: '6 0 R' }), '7 0 R', '6 0 R']),
  'a form that draws itself': () =>
    pdf([PAGES, FONT, stream(`/X Do ${WORDS}`), page({ resources: '/XObject << /X 6 0 R >>' }), FORM]),
  'a stream that is as long as itself': () => pdf([PAGES, FONT, stream(WORDS, { length: '4 0 R' }), page()]),
  'a table of objects that goes back to itself': () =>
    pdf([PAGES, FONT, stream(WORDS), page()], { trailer: (table) => `/Prev ${table}` }),
};

/** Forms that each draw the next one twice, so often: with 30 of them, a billion drawings of 6 KB. */
export function formsInForms(depth: number): Uint8Array {
  const xObject = (number: number) => `/XObject << /X ${number} 0 R >>`;
  const forms = Array.from({ length: depth }, (_, index) => {
    const isLast = index === depth - 1;
    const resources = isLast ? '/Font << /F1 3 0 R >>' : xObject(7 + index);
    const entries = `/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << ${resources} >>`;
    return stream(isLast ? WORDS : 'q /X Do Q q /X Do Q', { entries });
  });
  return pdf([PAGES, FONT, stream('/X Do'), page({ resources: xObject(6) }), ...forms]);
}

/** A page without text, of any size in points. */
export const emptyPage = (width: number, height: number): Uint8Array =>
  pdf([PAGES, FONT, stream(''), page({ box: `0 0 ${width} ${height}` })]);

/** A catalog, and these objects from number 2 on. */
function pdf(objects: readonly string[], options: { trailer?: (table: number) => string } = {}): Uint8Array {
  let text = '%PDF-1.4\n';
  const entries = ['<< /Type /Catalog /Pages 2 0 R >>', ...objects].map((body, index) => {
    const offset = text.length;
    text += `${index + 1} 0 obj\n${body}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const table = text.length;
  const size = entries.length + 1;
  text += `xref\n0 ${size}\n0000000000 65535 f \n${entries.join('')}`;
  text += `trailer\n<< /Size ${size} /Root 1 0 R ${options.trailer?.(table) ?? ''} >>\nstartxref\n${table}\n%%EOF\n`;
  return Buffer.from(text, 'latin1');
}

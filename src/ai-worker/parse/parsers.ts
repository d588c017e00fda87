import type { Format } from '../../documents/formats.ts';
import type { Parser } from './parser.ts';

/** Each is loaded when it is first needed: a process that reads text files never pays for pdf.js. */
const PARSERS: Record<Format, () => Promise<Parser>> = {
  txt: async () => (await import('./txt.ts')).parseTxt,
  md: async () => (await import('./md.ts')).parseMd,
  html: async () => (await import('./html.ts')).parseHtml,
  json: async () => (await import('./json.ts')).parseJson,
  csv: async () => (await import('./csv.ts')).parseCsv,
  pdf: async () => (await import('./pdf.ts')).parsePdf,
  docx: async () => (await import('./docx.ts')).parseDocx,
  xlsx: async () => (await import('./xlsx.ts')).parseXlsx,
  pptx: async () => (await import('./pptx.ts')).parsePptx,
  png: async () => (await import('./image.ts')).parseImage,
  jpg: async () => (await import('./image.ts')).parseImage,
};

/** The parser of a format. A rejection means that its code can't be loaded, not that a file is bad. */
export function loadParser(format: Format): Promise<Parser> {
  return PARSERS[format]();
}

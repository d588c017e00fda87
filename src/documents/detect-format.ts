import { fileTypeFromBuffer } from 'file-type';
import { DomainError } from '../platform/errors.ts';
import { FORMAT_NAMES, FORMATS, type Format, formatOfName } from './formats.ts';
import { looksLikeText } from './looks-like-text.ts';

type TextFormat = 'txt' | 'md' | 'html' | 'json' | 'csv';
type OfficeFormat = 'docx' | 'xlsx' | 'pptx';

const TEXT_FORMATS: readonly Format[] = ['txt', 'md', 'html', 'json', 'csv'] satisfies TextFormat[];
const OFFICE_FORMATS: readonly Format[] = ['docx', 'xlsx', 'pptx'] satisfies OfficeFormat[];
/** Not ours although they consist of text; anything else that does is taken for text, whatever its first letters mean. */
const FOREIGN_TEXT = ['rtf', 'ps', 'eps'];

/** What the bytes alone say. `zip` and `cfb` are the containers of Office files, the latter with a password. */
type Content = { format: Format } | { container: 'zip' | 'cfb' } | { text: string } | { foreign: string };

/**
 * The format of a file: by its bytes, then by what it is declared or named to be.
 * @param head the first 64 KiB or so of the file.
 * @param options.declared the format that the client says it is; counts more than the name.
 * @param options.ocr whether pictures can be read.
 * @throws DomainError `UNSUPPORTED_FORMAT`, where they contradict each other as well.
 */
export async function detectFormat(
  head: Uint8Array,
  name: string,
  { declared, ocr }: { declared?: string; ocr: boolean },
): Promise<Format> {
  const promised = declared === undefined ? formatOfName(name) : knownFormat(declared, ocr);
  const source = declared === undefined ? 'the name' : 'the declared format';
  const format = reconcile(await contentOf(head, promised), promised, { source, ocr });
  if ('ocr' in FORMATS[format] && !ocr) {
    throw new DomainError('UNSUPPORTED_FORMAT', `Pictures (${format}) are only read where OCR_ENABLED=true is set.`);
  }
  return format;
}

function reconcile(
  content: Content,
  promised: Format | undefined,
  { source, ocr }: { source: string; ocr: boolean },
): Format {
  const contradiction = (looks: string): DomainError =>
    promised === undefined
      ? new DomainError('UNSUPPORTED_FORMAT', `The file looks like ${looks}. ${supported(ocr)}`)
      : new DomainError(
          'UNSUPPORTED_FORMAT',
          `The file looks like ${looks}, but ${source} says ${promised}. ${supported(ocr)}`,
        );
  if ('format' in content) {
    if (promised === undefined || promised === content.format) return content.format;
    throw contradiction(content.format);
  }
  if ('text' in content) {
    if (promised === undefined) return textFormatOf(content.text);
    if (TEXT_FORMATS.includes(promised)) return promised;
    throw contradiction('plain text');
  }
  if ('foreign' in content) throw contradiction(content.foreign);
  // Not every writer puts first what tells an Office file from any other archive.
  if (promised !== undefined && OFFICE_FORMATS.includes(promised)) return promised;
  throw contradiction(
    content.container === 'zip' ? 'a ZIP archive' : 'an Office file of the old binary kind or with a password',
  );
}

async function contentOf(head: Uint8Array, promised: Format | undefined): Promise<Content> {
  // Readers accept a PDF with other bytes before its mark; but a text may speak of the mark.
  const start = new TextDecoder('latin1').decode(head.subarray(0, 1024));
  if (start.startsWith('%PDF-') || (promised === 'pdf' && start.includes('%PDF-'))) return { format: 'pdf' };
  const type = await fileTypeFromBuffer(head).catch(() => undefined);
  const extension = type?.ext ?? '';
  const format = FORMAT_NAMES.find((known) => known === extension);
  if (format !== undefined && !TEXT_FORMATS.includes(format)) return { format };
  if (extension === 'zip' || extension === 'cfb') return { container: extension };
  if (!FOREIGN_TEXT.includes(extension) && looksLikeText(head))
    return { text: new TextDecoder().decode(head.subarray(0, 4096)) };
  return { foreign: extension === '' ? 'binary data of no known kind' : extension };
}

/** Text without a telling name: HTML and JSON show in their first characters, the rest is plain. */
function textFormatOf(text: string): TextFormat {
  if (/^\s*(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]{0,2000}?-->\s*)?<(?:!doctype html|html)[\s>]/i.test(text)) return 'html';
  if (/^\s*(?:\{\s*["}]|\[\s*[[{"\]])/.test(text)) return 'json';
  return 'txt';
}

function knownFormat(declared: string, ocr: boolean): Format {
  const format = FORMAT_NAMES.find((known) => known === declared.toLowerCase());
  if (format !== undefined) return format;
  throw new DomainError('UNSUPPORTED_FORMAT', `The declared format is not known. ${supported(ocr)}`);
}

function supported(ocr: boolean): string {
  const names = FORMAT_NAMES.filter((format) => ocr || !('ocr' in FORMATS[format]));
  return `Supported formats: ${names.join(', ')}.`;
}

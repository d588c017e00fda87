/** A lane is a queue of its own: a full heavy lane never delays the fast one. */
export const LANES = ['fast', 'heavy'] as const;
export type Lane = (typeof LANES)[number];

interface FormatInfo {
  lane: Lane;
  /** What the original bytes are served as. Text is never served as HTML: it would run in our origin. */
  contentType: string;
  /** File name endings, without the dot. */
  extensions: readonly string[];
  /** Only accepted with `OCR_ENABLED=true`. */
  ocr?: true;
}

/** Every format ragbase reads. */
export const FORMATS = {
  txt: { lane: 'fast', contentType: 'text/plain', extensions: ['txt', 'text', 'log'] },
  md: { lane: 'fast', contentType: 'text/plain', extensions: ['md', 'markdown'] },
  html: { lane: 'fast', contentType: 'text/plain', extensions: ['html', 'htm', 'xhtml'] },
  json: { lane: 'fast', contentType: 'application/json', extensions: ['json'] },
  csv: { lane: 'fast', contentType: 'text/csv', extensions: ['csv', 'tsv'] },
  pdf: { lane: 'heavy', contentType: 'application/pdf', extensions: ['pdf'] },
  docx: {
    lane: 'heavy',
    contentType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    extensions: ['docx'],
  },
  xlsx: {
    lane: 'heavy',
    contentType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    extensions: ['xlsx'],
  },
  pptx: {
    lane: 'heavy',
    contentType: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    extensions: ['pptx'],
  },
  png: { lane: 'heavy', contentType: 'image/png', extensions: ['png'], ocr: true },
  jpg: { lane: 'heavy', contentType: 'image/jpeg', extensions: ['jpg', 'jpeg'], ocr: true },
} as const satisfies Record<string, FormatInfo>;

export type Format = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as [Format, ...Format[]];

/** The lane a format is queued in. */
export function laneOf(format: Format): Lane {
  return FORMATS[format].lane;
}

/** The format that a file name promises, or undefined where its ending says nothing we know. */
export function formatOfName(name: string): Format | undefined {
  const extension = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase();
  return FORMAT_NAMES.find((format) => (FORMATS[format].extensions as readonly string[]).includes(extension ?? ''));
}

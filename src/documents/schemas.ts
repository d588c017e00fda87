import { z } from 'zod';
import { faultOfJson } from '../platform/json-depth.ts';
import { collectionName } from '../search/collection-name.ts';
import { DOCUMENT_STATUSES } from './document.ts';
import { FORMAT_NAMES, LANES } from './formats.ts';
import { PROCESSING_ERROR_CODES } from './job.ts';

/** Postgres stores no NUL and no half of a surrogate pair. */
const storable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

const METADATA_BYTES = 16_384;

/** A file's name without its path, and without what a terminal or a log could trip over. */
export const documentName = z
  .string()
  .transform((text) =>
    (text.split(/[\\/]/).at(-1) ?? '')
      .toWellFormed()
      // Controls, line separators, and what turns the direction of text: logs and lists would show another name.
      .replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '')
      .trim(),
  )
  .pipe(z.string().regex(/[^.]/, 'must name the document').max(255, 'must be at most 255 characters'))
  .meta({ description: 'File name; its path is dropped', example: 'tides.md' });

export const metadata = z
  .record(z.string().min(1).max(128), z.json())
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_BYTES,
    `must be at most ${METADATA_BYTES} bytes of JSON`,
  )
  .refine((value) => storable(strings(value).join('')), 'must not hold NUL or broken Unicode')
  .meta({ description: 'JSON object, found again by the search filter', example: { year: 2024, tags: ['tide'] } });

/** Every string in a JSON value, keys included. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...strings(inner)]);
}

export const jsonUpload = z.strictObject({
  name: documentName,
  content: z.string().meta({ description: 'The text of the document' }),
  format: z.enum(FORMAT_NAMES).optional(),
  collection: collectionName.default('default'),
  metadata: metadata.default({}),
});

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The fields that may stand beside `file` in a multipart upload. */
export const multipartFields = z.strictObject({
  collection: collectionName.default('default'),
  format: z.enum(FORMAT_NAMES).optional(),
  metadata: z
    .string()
    .transform((text, context) => {
      const value = parsedJson(text);
      const fault = value === undefined ? 'must be a JSON object' : faultOfJson(value);
      if (fault === undefined) return value;
      context.addIssue({ code: 'custom', message: fault });
      return z.NEVER;
    })
    .pipe(metadata)
    .prefault('{}'),
});

/** Only for the description of a multipart upload. */
export const multipartUpload = z.object({
  file: z.string().meta({
    format: 'binary',
    description:
      'The document. Its file name loses its path, and is at most 255 characters; without one it is named by its format: `document.pdf`',
  }),
  collection: collectionName.optional(),
  format: z.enum(FORMAT_NAMES).optional().meta({ description: 'What the document is, where its name does not say' }),
  metadata: z.string().optional().meta({ description: 'A JSON object, as text', example: '{"year":2024}' }),
});

export const idParams = z.object({ id: z.uuid().meta({ description: "The document's id" }) });

const milliseconds = z.number().nullable();

export const documentSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    format: z.enum(FORMAT_NAMES),
    lane: z.enum(LANES),
    status: z.enum(DOCUMENT_STATUSES),
    collection: z.string(),
    metadata: z.record(z.string(), z.unknown()),
    bytes: z.int(),
    sha256: z.string(),
    chunks: z.int(),
    attempts: z.int(),
    progress: z.object({ stage: z.string(), percent: z.int() }),
    error: z.object({ code: z.enum(PROCESSING_ERROR_CODES), message: z.string() }).optional(),
    traceId: z.string().nullable(),
    timings: z.object({
      queuedMs: milliseconds,
      parseMs: milliseconds,
      embedMs: milliseconds,
      storeMs: milliseconds,
      totalMs: milliseconds,
    }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    completedAt: z.iso.datetime().nullable(),
    duplicate: z.literal(true).optional().meta({ description: 'The same bytes were in this collection already' }),
  })
  .meta({ id: 'Document' });

export const chunkSchema = z
  .object({
    id: z.string(),
    ordinal: z.int(),
    text: z.string(),
    tokens: z.int(),
    location: z.object({
      page: z.int().optional(),
      headings: z.array(z.string()).optional(),
      offset: z.int().meta({ description: 'Where the chunk starts in the extracted text, in UTF-16 units' }),
    }),
  })
  .meta({ id: 'Chunk' });

const limit = (fallback: number, max: number) => z.coerce.number().int().min(1).max(max).default(fallback);
const ofPageBefore = { description: 'nextCursor of the page before' };
const cursor = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,200}$/, 'is not one of ours: start again without it')
  .optional()
  .meta(ofPageBefore);
const ordinal = z
  .string()
  .regex(/^\d{1,9}$/, 'is not one of ours: start again without it')
  .optional()
  .meta(ofPageBefore);

export const listQuery = z.strictObject({
  status: z.enum(DOCUMENT_STATUSES).optional(),
  collection: collectionName.optional(),
  limit: limit(50, 200),
  cursor,
});
export type ListQuery = z.output<typeof listQuery>;

export const chunksQuery = z.strictObject({ limit: limit(50, 200), cursor: ordinal });

export const deadLetterQuery = z.strictObject({
  code: z.enum(PROCESSING_ERROR_CODES).optional(),
  collection: collectionName.optional(),
  limit: limit(50, 200),
  cursor,
});

export const requeueBody = z
  .strictObject({
    code: z.enum(PROCESSING_ERROR_CODES).optional(),
    collection: collectionName.optional(),
    ids: z.array(z.uuid()).max(1_000).optional().meta({ description: 'At most 1,000' }),
  })
  .default({});

export const requeueAnswer = z.object({
  requeued: z.int(),
  left: z.int().meta({ description: 'Of those that were asked for: there was no room for them. Ask again later' }),
});

export const page = <T extends z.ZodType>(items: T) =>
  z.object({ items: z.array(items), nextCursor: z.string().nullable() });

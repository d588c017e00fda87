import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { DomainError } from '../platform/errors.ts';
import { invalidRequest } from '../platform/mount-endpoints.ts';
import { readMultipart } from '../platform/multipart.ts';
import { traceHeaders } from '../platform/trace-context.ts';
import { activeTraceId } from '../platform/trace-id.ts';
import { detectFormat } from './detect-format.ts';
import type { DocumentRow, Metadata } from './document.ts';
import { type Format, formatOfName, type Lane, laneOf } from './formats.ts';
import { deleteParts, type StoredBytes, storeParts, tooLarge } from './parts.ts';
import { documentName, jsonUpload, multipartFields } from './schemas.ts';
import { insertDocument } from './store.ts';

export interface UploadOptions {
  maxBytes: number;
  /** Whether images are read. */
  ocr: boolean;
  /** Fingerprint of the API key that sends the document. */
  owner: string;
  /** Told the lane of a document as soon as it shows; may refuse by throwing. */
  assertRoom: (lane: Lane, owner: string) => void;
}

/** What a client says of a document, beside its bytes. */
interface Description {
  owner: string;
  collection: string;
  metadata: Metadata;
}

/**
 * Takes a document from a multipart request, whose file streams into the database as it arrives.
 * @throws DomainError for anything that is wrong with it; nothing of it is kept then.
 */
export async function receiveMultipart(request: IncomingMessage, pool: pg.Pool, options: UploadOptions) {
  const announced = Number(request.headers['content-length'] ?? 0);
  // The envelope of a multipart body takes a little, too.
  if (announced > options.maxBytes + 64 * 1024) throw tooLarge(options.maxBytes);
  return keepOrSweep(pool, async (id) => {
    let accepted: { name: string; format: Format; stored: StoredBytes } | undefined;
    const fields = await readMultipart(request, {
      fileField: 'file',
      onFile: async (fileName, source, declared) => {
        const name = fileName === '' ? undefined : parsedName(fileName);
        const file = await storeFile(pool, id, source, { ...options, name, declared: declared['format'] });
        accepted = { name: name ?? `document.${file.format}`, ...file };
      },
    });
    if (!accepted) throw new DomainError('INVALID_REQUEST', 'Send the document as a part named "file".');
    const described = multipartFields.safeParse(fields);
    if (!described.success) throw invalidRequest(described.error, 'form');
    return accept(pool, id, accepted, { ...described.data, owner: options.owner });
  });
}

/** Longest text that is taken as JSON: all of it is in memory, some times over. */
const MAX_JSON_TEXT_BYTES = 8 * 1024 * 1024;

/** Largest JSON body of an upload. JSON needs up to twice the bytes for the same text, and some for its other fields. */
export const jsonLimit = ({ maxBytes }: Pick<UploadOptions, 'maxBytes'>): number =>
  Math.min(maxBytes, MAX_JSON_TEXT_BYTES) * 2 + 64 * 1024;

/** @throws DomainError `FILE_TOO_LARGE` where a JSON body says itself that it is too large. */
export function assertJsonSize(request: IncomingMessage, limit: number): void {
  if (Number(request.headers['content-length'] ?? 0) > limit)
    throw new DomainError('FILE_TOO_LARGE', 'As JSON, this is too large. Send the document as multipart/form-data.');
}

/** Takes a document whose text stands in a JSON body. */
export async function receiveJson(body: unknown, pool: pg.Pool, options: UploadOptions) {
  const parsed = jsonUpload.safeParse(body);
  if (!parsed.success) throw invalidRequest(parsed.error, 'body');
  const { name, content, format, ...description } = parsed.data;
  const declared = format ?? (formatOfName(name) === undefined ? 'txt' : undefined);
  return keepOrSweep(pool, async (id) => {
    const file = await storeFile(pool, id, Readable.from([Buffer.from(content)]), { ...options, name, declared });
    return accept(pool, id, { name, ...file }, { ...description, owner: options.owner });
  });
}

async function storeFile(
  pool: pg.Pool,
  id: string,
  source: Readable,
  options: UploadOptions & { name: string | undefined; declared: string | undefined },
): Promise<{ format: Format; stored: StoredBytes }> {
  let format: Format | undefined;
  const stored = await storeParts(pool, id, source, {
    maxBytes: options.maxBytes,
    onHead: async (head) => {
      format = await detectFormat(head, options.name ?? '', {
        ocr: options.ocr,
        ...(options.declared !== undefined && { declared: options.declared }),
      });
      options.assertRoom(laneOf(format), options.owner);
    },
  });
  if (!format) throw new DomainError('EMPTY_DOCUMENT', 'The document is empty.');
  return { format, stored };
}

function accept(
  pool: pg.Pool,
  id: string,
  file: { name: string; format: Format; stored: StoredBytes },
  description: Description,
): Promise<{ row: DocumentRow; duplicate: boolean }> {
  const traceContext = traceHeaders();
  const traceId = activeTraceId();
  const { collection, metadata, owner } = description;
  return insertDocument(pool, { id, ...file, ...file.stored, collection, owner, metadata, traceContext, traceId });
}

/** Bytes are stored before their document is: what is turned away must not stay. */
async function keepOrSweep<T>(pool: pg.Pool, receive: (id: string) => Promise<T>): Promise<T> {
  const id = randomUUID();
  try {
    return await receive(id);
  } catch (error) {
    // Where this fails too, the sweeper finds them.
    await deleteParts(pool, id).catch(() => undefined);
    throw error;
  }
}

/** @see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data for what is escaped. */
function parsedName(fileName: string): string {
  const unescaped = fileName.replaceAll(/%(22|0A|0D)/gi, (code) => decodeURIComponent(code));
  const parsed = documentName.safeParse(unescaped);
  if (!parsed.success) throw invalidRequest(parsed.error, 'file name');
  return parsed.data;
}

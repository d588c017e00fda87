import { createHash } from 'node:crypto';
import type pg from 'pg';
import { DomainError } from '../platform/errors.ts';
import type { Queryable } from '../platform/postgres.ts';

const PART_BYTES = 1024 * 1024;

export interface StoredBytes {
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
}

/**
 * Writes a stream of bytes as the parts of a document that does not exist yet, each on its own, so
 * that an upload takes one part of memory and holds no transaction while its client is slow.
 * @param options.onHead sees the first part before it is stored, and may refuse by throwing.
 * @throws DomainError `FILE_TOO_LARGE` beyond `maxBytes`.
 */
export async function storeParts(
  pool: pg.Pool,
  documentId: string,
  source: AsyncIterable<Uint8Array>,
  options: { maxBytes: number; onHead: (head: Buffer) => Promise<void> },
): Promise<StoredBytes> {
  const hash = createHash('sha256');
  let bytes = 0;
  let part = 0;
  for await (const piece of inParts(source)) {
    bytes += piece.length;
    if (bytes > options.maxBytes) throw tooLarge(options.maxBytes);
    if (part === 0) await options.onHead(piece);
    hash.update(piece);
    await pool.query('INSERT INTO document_parts (document_id, part, bytes) VALUES ($1, $2, $3)', [
      documentId,
      part,
      piece,
    ]);
    part += 1;
  }
  return { bytes, sha256: hash.digest('hex') };
}

export const tooLarge = (maxBytes: number): DomainError =>
  new DomainError(
    'FILE_TOO_LARGE',
    `The document is larger than ${Math.floor((maxBytes / 1024 / 1024) * 10) / 10} MB, the limit here.`,
  );

/**
 * Fills one buffer over and over, so that an upload leaves no garbage of its size behind: what was
 * yielded is good until the next.
 */
async function* inParts(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const part = Buffer.allocUnsafeSlow(PART_BYTES);
  let size = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length; ) {
      const taken = piece.subarray(at, at + PART_BYTES - size);
      part.set(taken, size);
      at += taken.length;
      size += taken.length;
      if (size < PART_BYTES) continue;
      yield part;
      size = 0;
    }
  }
  if (size > 0) yield part.subarray(0, size);
}

/** What is read of a part at a time: all that is held in memory for a reader who stopped. */
const PIECE_BYTES = 64 * 1024;

/**
 * The original bytes, from first to last, in small pieces.
 * @param bytes how many there are: asking for what comes after the last would keep who has them all waiting.
 * @throws DomainError `NOT_FOUND` where the document was deleted meanwhile.
 */
export async function* readParts(pool: pg.Pool, documentId: string, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; ) {
    // Stored as they are (`STORAGE EXTERNAL`), parts are read in pieces without being read whole.
    const { rows } = await pool.query<{ piece: Buffer }>(
      'SELECT substring(bytes FROM $3 FOR $4) AS piece FROM document_parts WHERE document_id = $1 AND part = $2',
      [documentId, Math.floor(at / PART_BYTES), (at % PART_BYTES) + 1, PIECE_BYTES],
    );
    const piece = rows[0]?.piece;
    if (piece === undefined || piece.length === 0)
      throw new DomainError('NOT_FOUND', 'The document was deleted meanwhile.');
    yield piece;
    at += piece.length;
  }
}

export async function deleteParts(db: Queryable, documentId: string): Promise<void> {
  await db.query('DELETE FROM document_parts WHERE document_id = $1', [documentId]);
}

/** An upload that moves, however slowly, adds a part in this time. */
const IDLE_HOURS = 2;

/**
 * Deletes what uploads left behind that never became documents, of those that began within the last day: what is
 * older was looked at before, however many bytes are kept by now.
 * @param options.everything also what began at any time before; for a process that has not swept yet.
 * @returns how many uploads.
 */
export async function sweepParts(db: Queryable, options: { everything: boolean }): Promise<number> {
  const { rows } = await db.query<{ document_id: string }>(
    `SELECT document_id FROM document_parts p
     WHERE part = 0 AND created_at < now() - make_interval(hours => $1)
       AND ($2 OR created_at > now() - make_interval(hours => $1 + 24))
       AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = p.document_id)
       AND NOT EXISTS (SELECT 1 FROM document_parts q
         WHERE q.document_id = p.document_id AND q.created_at >= now() - make_interval(hours => $1))`,
    [IDLE_HOURS, options.everything],
  );
  for (const { document_id } of rows) await deleteParts(db, document_id);
  return rows.length;
}

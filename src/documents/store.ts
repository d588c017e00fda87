import type pg from 'pg';
import { LONG_STATEMENT_MS, type Queryable, transaction } from '../platform/postgres.ts';
import { traceHeaders } from '../platform/trace-context.ts';
import { removeFromCorpus } from '../search/corpus-statistics.ts';
import { type Cursor, decodeCursor, encodeCursor } from './cursor.ts';
import type { DocumentRow, DocumentStatus, Metadata } from './document.ts';
import { type Format, type Lane, laneOf } from './formats.ts';
import type { ProcessingErrorCode } from './job.ts';
import { deleteParts, type StoredBytes } from './parts.ts';

/** Microseconds, which a cursor must not lose. */
const EXACT_TIME = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

export interface NewDocument extends StoredBytes {
  id: string;
  name: string;
  format: Format;
  collection: string;
  /** Fingerprint of the API key that sends it. */
  owner: string;
  metadata: Metadata;
  traceContext: Record<string, string>;
  traceId: string | undefined;
}

/**
 * Makes a document of bytes that are stored already. From the commit on it is accepted.
 * @returns the document, or with `duplicate` the one that has the same bytes in the same collection.
 */
export async function insertDocument(
  pool: pg.Pool,
  document: NewDocument,
): Promise<{ row: DocumentRow; duplicate: boolean }> {
  const { rows } = await pool.query<DocumentRow>(
    `INSERT INTO documents (id, collection, name, format, lane, metadata, bytes, sha256, status, trace_context, trace_id, enqueued_at, owner)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, now(), $11)
     ON CONFLICT (collection, sha256) DO NOTHING RETURNING *`,
    [
      document.id,
      document.collection,
      document.name,
      document.format,
      laneOf(document.format),
      document.metadata,
      document.bytes,
      document.sha256,
      document.traceContext,
      document.traceId,
      document.owner,
    ],
  );
  if (rows[0]) return { row: rows[0], duplicate: false };
  const existing = await pool.query<DocumentRow>('SELECT * FROM documents WHERE collection = $1 AND sha256 = $2', [
    document.collection,
    document.sha256,
  ]);
  // It may have been deleted between the two statements: then there is room for this one.
  if (!existing.rows[0]) return insertDocument(pool, document);
  await deleteParts(pool, document.id);
  return { row: existing.rows[0], duplicate: true };
}

export async function findDocument(db: Queryable, id: string): Promise<DocumentRow | undefined> {
  const { rows } = await db.query<DocumentRow>('SELECT * FROM documents WHERE id = $1', [id]);
  return rows[0];
}

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Newest first; `failed` documents by when they failed. */
export async function listDocuments(
  db: Queryable,
  query: {
    status?: DocumentStatus | undefined;
    collection?: string | undefined;
    errorCode?: ProcessingErrorCode | undefined;
    orderBy?: 'created_at' | 'updated_at';
    limit: number;
    cursor?: string | undefined;
  },
): Promise<Page<DocumentRow>> {
  const time = query.orderBy ?? 'created_at';
  const after: Cursor | undefined = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
  const { rows } = await db.query<DocumentRow & { exact_time: string }>(
    `SELECT *, to_char(${time} AT TIME ZONE 'UTC', ${EXACT_TIME}) AS exact_time FROM documents
     WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR collection = $2) AND ($3::text IS NULL OR error_code = $3)
       AND ($4::timestamptz IS NULL OR (${time}, id) < ($4, $5::uuid))
     ORDER BY ${time} DESC, id DESC LIMIT $6`,
    [query.status, query.collection, query.errorCode, after?.time, after?.id, query.limit + 1],
  );
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return {
    items,
    nextCursor: rows.length > query.limit && last ? encodeCursor({ time: last.exact_time, id: last.id }) : null,
  };
}

/** Deletes a document whatever it is doing; a worker that is at it learns so at its next word. */
export function deleteDocument(pool: pg.Pool, id: string): Promise<boolean> {
  return transaction(
    pool,
    async (client) => {
      const { rows } = await client.query<DocumentRow>('SELECT * FROM documents WHERE id = $1 FOR UPDATE', [id]);
      const row = rows[0];
      if (!row) return false;
      if (row.visible_attempt !== null)
        await removeFromCorpus(client, { documentId: id, attempt: row.visible_attempt });
      await deleteParts(client, id);
      await client.query('DELETE FROM documents WHERE id = $1', [id]);
      return true;
    },
    { statementMs: LONG_STATEMENT_MS },
  );
}

const NEW_RUN = `status = 'queued', stage = NULL, percent = 0, attempts = 0, error_code = NULL, error_message = NULL,
  queued_ms = NULL, parse_ms = NULL, embed_ms = NULL, store_ms = NULL, total_ms = NULL, completed_at = NULL,
  not_before = now(), queued_at = now(), updated_at = now()`;

/**
 * Starts a new run of a document that is done, one way or the other. What is searchable stays so until the new
 * chunks are whole. One that is queued or processing already is left alone.
 */
export async function requeueDocument(db: Queryable, id: string): Promise<DocumentRow | undefined> {
  const { rows } = await db.query<DocumentRow>(
    `UPDATE documents SET ${NEW_RUN}, enqueued_at = now(), requested_by = $2 WHERE id = $1 AND status IN ('completed', 'failed') RETURNING *`,
    [id, traceHeaders()],
  );
  return rows[0];
}

/** Which of the documents that failed. */
export interface FailedFilter {
  code?: ProcessingErrorCode | undefined;
  collection?: string | undefined;
  ids?: readonly string[] | undefined;
}

const FAILED = `status = 'failed' AND ($1::text IS NULL OR error_code = $1) AND ($2::text IS NULL OR collection = $2)
  AND ($3::uuid[] IS NULL OR id = ANY($3::uuid[]))`;

/**
 * Starts new runs of documents of one lane that failed, those first that failed first.
 * @param options.enqueued whether the caller puts them on the queue; else housekeeping does.
 */
export async function requeueFailed(
  db: Queryable,
  { code, collection, ids }: FailedFilter,
  options: { lane: Lane; limit: number; enqueued: boolean },
): Promise<DocumentRow[]> {
  const { rows } = await db.query<DocumentRow>(
    `UPDATE documents SET ${NEW_RUN}, enqueued_at = CASE WHEN $6 THEN now() END, requested_by = $7 WHERE id IN (
       SELECT id FROM documents WHERE ${FAILED} AND lane = $4 ORDER BY updated_at LIMIT $5 FOR UPDATE SKIP LOCKED)
     RETURNING *`,
    [code, collection, ids, options.lane, options.limit, options.enqueued, traceHeaders()],
  );
  return rows;
}

/** How many documents failed, by the code of their error. */
export async function countFailed(
  db: Queryable,
  { code, collection, ids }: FailedFilter,
): Promise<Partial<Record<ProcessingErrorCode, number>>> {
  const { rows } = await db.query<{ code: ProcessingErrorCode; documents: number }>(
    `SELECT error_code AS code, count(*)::int AS documents FROM documents WHERE ${FAILED} GROUP BY error_code`,
    [code, collection, ids],
  );
  return Object.fromEntries(rows.map((row) => [row.code, row.documents]));
}

export interface ChunkRow {
  id: string;
  ordinal: number;
  text: string;
  tokens: number;
  page: number | null;
  headings: string[];
  start_offset: number;
}

/** The searchable chunks of a document, in order, after a given ordinal. */
export async function listChunks(
  db: Queryable,
  document: Pick<DocumentRow, 'id' | 'visible_attempt'>,
  options: { after: number; limit: number },
): Promise<ChunkRow[]> {
  const { rows } = await db.query<ChunkRow>(
    `SELECT id, ordinal, text, tokens, page, headings, start_offset FROM chunks
     WHERE document_id = $1 AND attempt = $2 AND ordinal > $3 ORDER BY ordinal LIMIT $4`,
    [document.id, document.visible_attempt, options.after, options.limit],
  );
  return rows;
}

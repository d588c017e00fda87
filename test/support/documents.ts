import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type pg from 'pg';
import type { AttemptId, AttemptPolicy } from '../../src/documents/attempts.ts';
import type { DocumentRow } from '../../src/documents/document.ts';
import { type Claimed, jobId } from '../../src/documents/job.ts';
import { storeParts } from '../../src/documents/parts.ts';
import { findDocument, insertDocument } from '../../src/documents/store.ts';
import { takeTurn } from '../../src/documents/turns.ts';

export const policy: AttemptPolicy = { maxAttempts: 2, leaseMs: 15_000 };

/** An accepted document with the given text. */
export async function givenDocument(
  pool: pg.Pool,
  options: { text?: string; collection?: string; owner?: string } = {},
): Promise<DocumentRow> {
  const id = randomUUID();
  const bytes = Buffer.from(options.text ?? `text of ${id}`);
  const stored = await storeParts(pool, id, Readable.from([bytes]), { maxBytes: 1e9, onHead: async () => undefined });
  const { row } = await insertDocument(pool, {
    id,
    name: `${id}.txt`,
    format: 'txt',
    collection: options.collection ?? 'default',
    owner: options.owner ?? 'somebody',
    metadata: {},
    traceContext: {},
    traceId: undefined,
    ...stored,
  });
  return row;
}

/** Claims the attempt of a document that is its turn, as a worker with that document's job does. */
export async function claim(pool: pg.Pool, documentId: string, attempt = 1, worker = 'a'): Promise<Claimed> {
  const ticket = jobId({ documentId, attempt });
  const claimed = await takeTurn(pool, { lane: 'fast', worker, ticket, documentId }, policy);
  if (claimed?.documentId !== documentId) throw new Error('it is not its turn');
  return claimed;
}

/** The NDJSON of a result, a chunk a text, each with a unit vector. */
export function resultOf(texts: readonly string[], options: { dimensions: number; end?: object | null }): Readable {
  const lines = texts.map((text, index) => ({
    text,
    headings: ['Top'],
    page: null,
    startOffset: index,
    endOffset: index + text.length,
    tokens: 3,
    embedding: Buffer.from(vectorOf(text, options.dimensions).buffer).toString('base64'),
  }));
  const end = options.end === undefined ? { end: true, chunks: texts.length, parseMs: 1, embedMs: 2 } : options.end;
  return Readable.from([...lines, ...(end === null ? [] : [end])].map((line) => `${JSON.stringify(line)}\n`));
}

function vectorOf(text: string, dimensions: number): Float32Array {
  const seed = createHash('sha256').update(text).digest();
  const raw = Float32Array.from({ length: dimensions }, (_, index) => (seed[index % seed.length] ?? 0) + 1);
  const norm = Math.hypot(...raw);
  return raw.map((value) => value / norm);
}

/** The document as it is now; fails if it is gone. */
export async function mustFind(pool: pg.Pool, id: string): Promise<DocumentRow> {
  const row = await findDocument(pool, id);
  if (!row) throw new Error('the document is gone');
  return row;
}

export const attemptOf = (row: DocumentRow): AttemptId => ({ documentId: row.id, attempt: row.last_attempt + 1 });

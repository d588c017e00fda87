import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type pg from 'pg';
import { toSql } from 'pgvector';
import { DomainError } from '../platform/errors.ts';
import { LONG_STATEMENT_MS, transaction } from '../platform/postgres.ts';
import { addToCorpus, removeFromCorpus } from '../search/corpus-statistics.ts';
import { INDEXED_LEXEMES } from '../search/lexemes.ts';
import { type AttemptId, type AttemptPolicy, refusal, renewLease, resumeAttempt, whyNotYours } from './attempts.ts';
import type { DocumentRow } from './document.ts';
import {
  type EmbeddingSpace,
  indexedText,
  isSameSpace,
  type ResultChunk,
  type ResultEnd,
  resultChunkSchema,
  resultEndSchema,
} from './job.ts';

/**
 * Rows of one INSERT. An embedded Postgres indexes about 100 vectors a second on its only
 * connection: larger batches would keep searches and probes waiting.
 */
const BATCH = 32;

/** What touches all chunks of a document at once. */
const LONG = { statementMs: LONG_STATEMENT_MS };

/** What a result has made of a document. */
export type Completed = Pick<DocumentRow, 'id' | 'format' | 'lane' | 'total_ms' | 'chunks'>;

/**
 * Stores the result of an attempt as it streams in. Chunks are inserted in small batches beside the
 * searchable ones, and one last transaction makes the whole of them visible and deletes the old: a
 * document is searchable whole or not at all, and no transaction lasts as long as a long stream.
 * @returns what it made of the document, or undefined for a result that is stored already: it changes nothing.
 * @throws DomainError `NOT_FOUND` or `CONFLICT`: not, or no longer, the worker's; `INVALID_REQUEST`: not a whole result;
 *   `INCOMPATIBLE`: the vectors are of another model than the database's.
 */
export async function storeResult(
  pool: pg.Pool,
  id: AttemptId,
  body: Readable,
  options: { dimensions: number; policy: AttemptPolicy },
): Promise<Completed | undefined> {
  const started = performance.now();
  if (!(await begin(pool, id, options.policy))) return undefined;
  // Cut off while it waited: its lines would never come, nor an error or an end of them.
  if (body.destroyed) throw notWhole();
  let batch: ResultChunk[] = [];
  let stored = 0;
  let end: ResultEnd | undefined;
  // Its chunks so far went with the attempt: where the document is not somebody else's by now, it begins anew.
  const renew = async (client: pg.PoolClient, percent: number) => {
    if (await renewLease(client, id, { stage: 'store', percent }, options.policy)) return;
    const why = await whyNotYours(client, id.documentId);
    throw why.code === 'NOT_FOUND' ? why : sendAgain();
  };
  const flush = async () => {
    const percent = end ? 100 : 50;
    await transaction(pool, async (client) => {
      await renew(client, percent);
      await insertChunks(client, id, { from: stored, chunks: batch, dimensions: options.dimensions });
    });
    stored += batch.length;
    batch = [];
  };
  for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (end) throw new DomainError('INVALID_REQUEST', 'A result ends with its end.');
    const parsed = parseLine(line);
    if ('end' in parsed) end = parsed;
    else batch.push(parsed);
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  if (end?.chunks !== stored) throw notWhole();
  return makeVisible(pool, id, { ...end, storeMs: performance.now() - started });
}

const sendAgain = () =>
  new DomainError('UNAVAILABLE', 'The attempt was interrupted. Send the result again.', { retryAfter: 1 });
const notWhole = () => new DomainError('INVALID_REQUEST', 'The result is not whole.');

function parseLine(line: string): ResultChunk | ResultEnd {
  try {
    const value: unknown = JSON.parse(line);
    const isEnd = typeof value === 'object' && value !== null && 'end' in value;
    return isEnd ? resultEndSchema.parse(value) : resultChunkSchema.parse(value);
  } catch (cause) {
    throw new DomainError('INVALID_REQUEST', 'A line of the result is not what the contract says.', { cause });
  }
}

/** Where two tries of one result overlap, a chunk may be there already: it is the same. */
async function insertChunks(
  client: pg.PoolClient,
  id: AttemptId,
  options: { from: number; chunks: readonly ResultChunk[]; dimensions: number },
): Promise<void> {
  const records = options.chunks.map((chunk, index) => ({
    ...chunk,
    ordinal: options.from + index,
    indexed: indexedText(chunk),
    embedding: toSql(vectorOf(chunk.embedding, options.dimensions)),
  }));
  await client.query(
    `INSERT INTO chunks (document_id, attempt, collection, ordinal, text, headings, page, start_offset, end_offset, tokens, lexemes, length, embedding)
     SELECT d.id, $2, d.collection, r.ordinal, r.text, ARRAY(SELECT jsonb_array_elements_text(r.headings)), r.page,
       r."startOffset", r."endOffset", r.tokens, i.lexemes, i.length, r.embedding::vector
     FROM documents d, jsonb_to_recordset($3::jsonb) AS r(ordinal int, text text, headings jsonb, page int, "startOffset" int,
       "endOffset" int, tokens int, indexed text, embedding text), LATERAL (${INDEXED_LEXEMES('r.indexed')}) AS i
     WHERE d.id = $1
     ON CONFLICT (document_id, attempt, ordinal) DO NOTHING`,
    [id.documentId, id.attempt, storableJson(records)],
  );
}

/** Postgres stores no NUL and no half of a surrogate pair. */
const storableJson = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' ? inner.replaceAll('\0', ' ').toWellFormed() : inner,
  );

/** From float32, little-endian, base64. */
function vectorOf(base64: string, dimensions: number): number[] {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== dimensions * 4)
    throw new DomainError('INVALID_REQUEST', `Vectors here have ${dimensions} dimensions.`);
  return Array.from({ length: dimensions }, (_, index) => bytes.readFloatLE(index * 4));
}

/**
 * Removes what an earlier try of the same result has left. An attempt that was taken for lost goes on, where nobody
 * else has its document by now. False where the result was stored to its end.
 */
async function begin(pool: pg.Pool, id: AttemptId, policy: AttemptPolicy): Promise<boolean> {
  const { documentId, attempt } = id;
  const begun = await transaction(
    pool,
    async (client) => {
      // The lock parts it from an earlier try that is being made visible just now.
      const { rows } = await client.query<DocumentRow>('SELECT * FROM documents WHERE id = $1 FOR UPDATE', [
        documentId,
      ]);
      const row = rows[0];
      if (row?.status === 'completed' && row.visible_attempt === attempt) return 'stored';
      const isOwn = row?.status === 'processing' && row.last_attempt === attempt;
      if (!isOwn && !(await resumeAttempt(client, id, policy))) return 'refused';
      await client.query('DELETE FROM chunks WHERE document_id = $1 AND attempt = $2', [documentId, attempt]);
      return 'begun';
    },
    LONG,
  );
  if (begun === 'refused') throw await refusal(pool, id);
  return begun === 'begun';
}

/** Vectors of two models in one index would be found by chance; the lock keeps a change of the model out until the end. */
async function assertSameSpace(client: pg.PoolClient, space: EmbeddingSpace | undefined): Promise<void> {
  const { rows } = await client.query<EmbeddingSpace>('SELECT model, dimensions FROM embedding_space FOR SHARE');
  const held = rows[0];
  // A worker of an earlier version does not say what it embeds with.
  if (held === undefined || space === undefined || isSameSpace(held, space)) return;
  throw new DomainError('INCOMPATIBLE', `The database holds vectors of ${held.model}, not of ${space.model}.`);
}

async function makeVisible(pool: pg.Pool, id: AttemptId, timings: ResultEnd & { storeMs: number }): Promise<Completed> {
  const completed = await transaction(
    pool,
    async (client) => {
      const { documentId, attempt } = id;
      const { rows } = await client.query<DocumentRow>(
        `SELECT * FROM documents WHERE id = $1 AND status = 'processing' AND last_attempt = $2 FOR UPDATE`,
        [documentId, attempt],
      );
      const row = rows[0];
      if (!row) return undefined;
      // A repetition that began meanwhile has removed what this one had stored.
      const stored = await client.query<{ count: string }>(
        'SELECT count(*) FROM chunks WHERE document_id = $1 AND attempt = $2',
        [documentId, attempt],
      );
      if (Number(stored.rows[0]?.count) !== timings.chunks) throw sendAgain();
      // After the chunks were read: a change of the model locks these first, too.
      await assertSameSpace(client, timings.space);
      if (row.visible_attempt !== null) await removeFromCorpus(client, { documentId, attempt: row.visible_attempt });
      await addToCorpus(client, { documentId, attempt });
      await client.query('DELETE FROM chunks WHERE document_id = $1 AND attempt <> $2', [documentId, attempt]);
      await client.query(
        `UPDATE attempts SET ended_at = now(), outcome = 'completed' WHERE document_id = $1 AND number = $2`,
        [documentId, attempt],
      );
      const updated = await client.query<Completed>(
        `UPDATE documents SET status = 'completed', stage = NULL, percent = 100, visible_attempt = $2, chunks = $3, lease_until = NULL,
         parse_ms = $4, embed_ms = $5, store_ms = $6, total_ms = greatest(0, extract(epoch FROM clock_timestamp() - queued_at) * 1000),
         error_code = NULL, error_message = NULL, updated_at = now(), completed_at = now()
       WHERE id = $1 RETURNING id, format, lane, total_ms, chunks`,
        [documentId, attempt, timings.chunks, timings.parseMs, timings.embedMs, timings.storeMs],
      );
      return updated.rows[0] as Completed;
    },
    LONG,
  );
  if (!completed) throw await refusal(pool, id);
  return completed;
}

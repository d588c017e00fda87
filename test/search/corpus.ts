import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { toSql } from 'pgvector';
import { transaction } from '../../src/platform/postgres.ts';
import { type AttemptChunks, addToCorpus, removeFromCorpus } from '../../src/search/corpus-statistics.ts';
import { INDEXED_LEXEMES } from '../../src/search/lexemes.ts';

export interface GivenChunk {
  text: string;
  vector?: ArrayLike<number>;
  headings?: string[];
  page?: number;
}

export interface GivenDocument {
  collection?: string;
  metadata?: Record<string, unknown>;
  chunks: readonly GivenChunk[];
  /** Chunks of an attempt that is still being stored. */
  hidden?: true;
}

/** A searchable document with the given chunks. */
export function addDocument(pool: pg.Pool, given: GivenDocument): Promise<AttemptChunks> {
  return transaction(pool, async (client) => {
    const id = { documentId: randomUUID(), attempt: 1 };
    await client.query(
      `INSERT INTO documents (id, collection, name, format, lane, metadata, bytes, sha256, status, visible_attempt, chunks)
       VALUES ($1::uuid, $2, 'given.txt', 'txt', 'fast', $3, 1, $1::text, 'completed', $4, $5)`,
      [
        id.documentId,
        given.collection ?? 'default',
        given.metadata ?? {},
        given.hidden ? null : id.attempt,
        given.chunks.length,
      ],
    );
    await addChunks(client, id, given.chunks);
    if (!given.hidden) await addToCorpus(client, id);
    return id;
  });
}

/** Puts new chunks in the place of a document's, as an attempt that ends well does. */
export function replaceDocument(
  pool: pg.Pool,
  old: AttemptChunks,
  chunks: readonly GivenChunk[],
): Promise<AttemptChunks> {
  return transaction(pool, async (client) => {
    const id = { documentId: old.documentId, attempt: old.attempt + 1 };
    await addChunks(client, id, chunks);
    await removeFromCorpus(client, old);
    await addToCorpus(client, id);
    await client.query('DELETE FROM chunks WHERE document_id = $1 AND attempt = $2', [old.documentId, old.attempt]);
    await client.query('UPDATE documents SET visible_attempt = $2, chunks = $3 WHERE id = $1', [
      id.documentId,
      id.attempt,
      chunks.length,
    ]);
    return id;
  });
}

export function deleteDocument(pool: pg.Pool, id: AttemptChunks): Promise<void> {
  return transaction(pool, async (client) => {
    await removeFromCorpus(client, id);
    await client.query('DELETE FROM documents WHERE id = $1', [id.documentId]);
  });
}

async function addChunks(client: pg.PoolClient, id: AttemptChunks, chunks: readonly GivenChunk[]): Promise<void> {
  const records = chunks.map((chunk, ordinal) => ({
    ordinal,
    text: chunk.text,
    headings: chunk.headings ?? [],
    page: chunk.page ?? null,
    vector: toSql([...Array.from(chunk.vector ?? [1, 0, 0])]),
  }));
  await client.query(
    `INSERT INTO chunks (document_id, attempt, collection, ordinal, text, headings, page, start_offset, end_offset, tokens, lexemes, length, embedding)
     SELECT d.id, $2, d.collection, r.ordinal, r.text, ARRAY(SELECT jsonb_array_elements_text(r.headings)), r.page, 10 * r.ordinal, 10, 1,
       i.lexemes, i.length, r.vector::vector
     FROM documents d, jsonb_to_recordset($3::jsonb) AS r(ordinal int, text text, headings jsonb, page int, vector text),
       LATERAL (${INDEXED_LEXEMES('r.text')}) AS i
     WHERE d.id = $1`,
    [id.documentId, id.attempt, JSON.stringify(records)],
  );
}

/** A source of numbers from 0 to 1 that gives the same ones each time. @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
export function randomSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A vector of unit length that points anywhere. */
export function randomVector(random: () => number, dimensions: number): Float32Array {
  // Sums of uniform numbers are near enough to normal ones, which favour no direction.
  const raw = Float32Array.from({ length: dimensions }, () => random() + random() + random() + random() - 2);
  const norm = Math.hypot(...raw);
  return raw.map((value) => value / norm);
}

/** A text of made-up words, of which some are common and most are rare. */
export function randomText(random: () => number, words: number): string {
  return Array.from({ length: words }, () => `w${Math.floor(200 ** random())}q`).join(' ');
}

import type { Queryable } from '../platform/postgres.ts';
import { lexemesOf } from './lexemes.ts';

/** A lexeme of a query that stands in the corpus. */
export interface Term {
  lexeme: string;
  /** Its IDF, once for each time that the query has it: in long questions, that counts. */
  weight: number;
  /** Chunks that hold it. */
  chunks: number;
}

/** The query, as BM25 sees it. */
export interface WeightedQuery {
  /** Rarest first. */
  terms: Term[];
  /** Mean length of the chunks, in lexeme positions. */
  averageLength: number;
}

/** A query may be a page long; what weighs least of so many lexemes decides nothing. */
const MAX_TERMS = 64;

/**
 * Weighs a query by the statistics of its collection, or of all of them. No terms are left of a query
 * of stop words, or of words that no chunk holds.
 */
export async function weighQuery(
  db: Queryable,
  { query, collection }: { query: string; collection?: string | undefined },
): Promise<WeightedQuery> {
  const { rows } = await db.query<Term & { averageLength: number }>(
    `WITH asked AS (
       SELECT lexeme, cardinality(positions) AS frequency FROM unnest(${lexemesOf('$1')})
     ), corpus AS (
       SELECT sum(chunks) AS chunks, sum(length) AS length FROM (
         SELECT collection, chunks, length FROM corpus_totals UNION ALL SELECT collection, chunks, length FROM corpus_deltas
       ) AS counted WHERE $2::text IS NULL OR collection = $2
     ), found AS (
       SELECT lexeme, sum(chunks) AS chunks FROM (
         SELECT lexeme, collection, chunks FROM lexeme_totals WHERE lexeme IN (SELECT lexeme FROM asked)
         UNION ALL
         SELECT lexeme, collection, chunks FROM lexeme_deltas WHERE lexeme IN (SELECT lexeme FROM asked)
       ) AS counted WHERE $2::text IS NULL OR collection = $2 GROUP BY lexeme HAVING sum(chunks) > 0
     ), weighed AS (
       SELECT lexeme, found.chunks::int AS chunks, (corpus.length / corpus.chunks)::float8 AS "averageLength",
         (frequency * ln(1 + (corpus.chunks - found.chunks + 0.5) / (found.chunks + 0.5)))::float8 AS weight
       FROM asked JOIN found USING (lexeme) CROSS JOIN corpus ORDER BY weight DESC LIMIT ${MAX_TERMS}
     )
     SELECT * FROM weighed ORDER BY chunks, lexeme`,
    [query, collection ?? null],
  );
  return {
    terms: rows.map(({ lexeme, weight, chunks }) => ({ lexeme, weight, chunks })),
    averageLength: rows[0]?.averageLength ?? 0,
  };
}

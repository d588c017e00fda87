import type { Queryable } from '../platform/postgres.ts';
import type { Hit } from './hit.ts';
import { quoteLexeme } from './lexemes.ts';
import { CHUNK_IN_SCOPE, type Scope, scopeParameters, VISIBLE_CHUNKS } from './scope.ts';
import { type Term, weighQuery } from './terms.ts';

/** BM25: how soon a term's repetitions stop to count, and how much longer chunks are held back. */
const K1 = 1.2;
const B = 0.75;

/** Chunks that are worth scoring. The time of a search is proportional to it, times the terms. */
const CANDIDATE_BUDGET = 20_000;

/**
 * The chunks that match best by their words: BM25, any of the query's words will do.
 * @returns at most `depth`, best first; none for a query of stop words.
 */
export async function searchByKeywords(
  db: Queryable,
  { query, scope, depth }: { query: string; scope: Scope; depth: number },
): Promise<Hit[]> {
  const { terms, averageLength } = await weighQuery(db, { query, collection: scope.collection });
  if (terms.length === 0) return [];
  const { rows } = await db.query<Hit>(BM25, [
    ...scopeParameters(scope),
    anyOf(candidateTerms(terms, CANDIDATE_BUDGET)),
    terms.map(({ lexeme }) => quoteLexeme(lexeme)),
    terms.map(({ weight }) => weight),
    averageLength,
    depth,
  ]);
  return rows;
}

/**
 * The terms that bring in candidates: the rarest, as long as they bring no more than `budget` chunks
 * together, and two in any case. A chunk that has none of them scores too little to be among the best;
 * the other terms still score.
 * @param terms rarest first.
 */
export function candidateTerms(terms: readonly Term[], budget: number): Term[] {
  let chunks = 0;
  return terms.filter((term, index) => {
    chunks += term.chunks;
    return index < 2 || chunks <= budget;
  });
}

const anyOf = (terms: readonly Term[]): string => terms.map(({ lexeme }) => quoteLexeme(lexeme)).join(' | ');

/**
 * ts_rank of one lexeme that stands n times in a chunk, all positions weighing the same, is
 * (1 + 1/4 + … + 1/n²) / 1.64493, or n / (n + 0.645) within 1 %: so n comes back from it.
 * OFFSET 0 keeps the planner from writing ts_rank out each time that its value is used.
 */
const BM25 = `
  WITH terms AS MATERIALIZED (
    SELECT lexeme::tsquery AS lexeme, weight FROM unnest($4::text[], $5::float8[]) AS t(lexeme, weight)
  ), candidates AS MATERIALIZED (
    SELECT c.id, c.document_id, c.lexemes, c.length / $6::float8 AS relative_length
    FROM ${VISIBLE_CHUNKS} WHERE c.lexemes @@ $3::tsquery AND ${CHUNK_IN_SCOPE}
  )
  SELECT c.id AS "chunkId", c.document_id AS "documentId",
    sum(t.weight * f.n * ${K1 + 1} / (f.n + ${K1} * (${1 - B} + ${B} * c.relative_length))) AS score
  FROM candidates c JOIN terms t ON c.lexemes @@ t.lexeme
  CROSS JOIN LATERAL (SELECT ts_rank('{1,1,1,1}', c.lexemes, t.lexeme)::float8 AS rank OFFSET 0) AS r
  CROSS JOIN LATERAL (SELECT 0.6449 * r.rank / greatest(1 - r.rank, 0.001) AS n OFFSET 0) AS f
  GROUP BY c.id, c.document_id ORDER BY score DESC, c.id LIMIT $7`;

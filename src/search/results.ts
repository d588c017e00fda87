import type { Queryable } from '../platform/postgres.ts';
import type { Hit } from './hit.ts';
import { VISIBLE_CHUNKS } from './scope.ts';

/** A chunk as a search answers it. */
export interface SearchResult {
  documentId: string;
  chunkId: string;
  name: string;
  text: string;
  score: number;
  /** From 1. */
  rank: number;
  location: { page?: number; headings?: string[]; offset: number };
  metadata: Record<string, unknown>;
}

interface Row {
  chunkId: string;
  name: string;
  text: string;
  page: number | null;
  headings: string[];
  offset: number;
  metadata: Record<string, unknown>;
}

/** What there is to show of hits, in their order. */
export async function fetchResults(db: Queryable, hits: readonly Hit[]): Promise<SearchResult[]> {
  if (hits.length === 0) return [];
  const { rows } = await db.query<Row>(
    `SELECT c.id AS "chunkId", d.name, c.text, c.page, c.headings, c.start_offset AS "offset", d.metadata
     FROM ${VISIBLE_CHUNKS} WHERE c.id = ANY($1::bigint[])`,
    [hits.map(({ chunkId }) => chunkId)],
  );
  const byId = new Map(rows.map((row) => [row.chunkId, row]));
  return hits.flatMap(({ chunkId, documentId, score }, index) => {
    const row = byId.get(chunkId);
    if (!row) return [];
    const { name, text, metadata } = row;
    return [{ documentId, chunkId, name, text, score, rank: index + 1, location: locationOf(row), metadata }];
  });
}

function locationOf({ page, headings, offset }: Row): SearchResult['location'] {
  return { ...(page !== null && { page }), ...(headings.length > 0 && { headings }), offset };
}

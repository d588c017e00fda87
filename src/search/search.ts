import type { Span } from '@opentelemetry/api';
import type pg from 'pg';
import { type Embedder, EmbeddingError } from '../embeddings/embedder.ts';
import { DomainError } from '../platform/errors.ts';
import {
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_REQUEST_TOP_K,
  OPERATION_RETRIEVAL,
} from '../platform/gen-ai-attributes.ts';
import { type Queryable, transaction } from '../platform/postgres.ts';
import { fuse, spreadDocuments } from './fuse.ts';
import type { Hit } from './hit.ts';
import { searchByKeywords } from './keyword.ts';
import { ATTRIBUTES, type SearchMetrics } from './metrics.ts';
import { fetchResults, type SearchResult } from './results.ts';
import type { Scope } from './scope.ts';
import { EF_SEARCH } from './session-settings.ts';
import { inSpan } from './trace.ts';
import { searchByVector, type VectorIndex } from './vector.ts';

export interface SearchDeps {
  pool: pg.Pool;
  embedder: Embedder;
  metrics: SearchMetrics;
}

export const SEARCH_MODES = ['hybrid', 'vector', 'keyword'] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

export interface SearchRequest extends Scope {
  query: string;
  limit: number;
  mode: SearchMode;
}

/** How an answer came about. Times in milliseconds. */
export interface Explanation {
  /** 0 in keyword mode, as are the next two null: no vector is asked for. */
  embedMs: number;
  sqlMs: number;
  index: VectorIndex | null;
  efSearch: number | null;
  /** Chunks that were ranked. */
  candidates: number;
}

export interface SearchAnswer {
  results: SearchResult[];
  mode: SearchMode;
  tookMs: number;
  explain: Explanation;
}

/** How deep each arm goes. The same for every limit, so that a longer answer begins like a shorter one. */
const DEPTH = 300;

/**
 * Finds the chunks that answer a query best, by meaning, by words, or by both.
 * @param signal ends it, where it waits to be embedded and in the database.
 * @throws DomainError `UNAVAILABLE` when the query can't be embedded; the signal's reason when it aborts.
 */
export function search(deps: SearchDeps, request: SearchRequest, signal?: AbortSignal): Promise<SearchAnswer> {
  const { mode, limit } = request;
  const attributes = {
    [ATTR_GEN_AI_OPERATION_NAME]: OPERATION_RETRIEVAL,
    [ATTR_GEN_AI_REQUEST_TOP_K]: limit,
    [ATTRIBUTES.mode]: mode,
  };
  return inSpan('search', attributes, async (span) => {
    const started = performance.now();
    const vector = mode === 'keyword' ? undefined : await embedQuery(deps.embedder, request.query, signal);
    const embedded = performance.now();
    const found = await findInSnapshot(deps.pool, request, vector, signal);
    const ended = performance.now();
    describe(span, found);

    const times = { embedMs: vector ? embedded - started : 0, sqlMs: ended - embedded, tookMs: ended - started };
    if (vector) deps.metrics.recordDuration(times.embedMs, { mode, stage: 'embed' });
    deps.metrics.recordDuration(times.sqlMs, { mode, stage: 'sql' });
    deps.metrics.recordDuration(times.tookMs, { mode, stage: 'total' });
    return {
      results: found.results,
      mode,
      tookMs: rounded(times.tookMs),
      explain: {
        embedMs: rounded(times.embedMs),
        sqlMs: rounded(times.sqlMs),
        index: found.index ?? null,
        efSearch: vector ? EF_SEARCH : null,
        candidates: found.candidates,
      },
    };
  });
}

/** Longer than any provider takes for a line of text: somebody waits. */
const EMBED_QUERY_MS = 10_000;

function embedQuery(embedder: Embedder, query: string, left: AbortSignal | undefined): Promise<Float32Array> {
  return inSpan('embed', {}, async () => {
    const late = AbortSignal.timeout(EMBED_QUERY_MS);
    try {
      const signal = left ? AbortSignal.any([left, late]) : late;
      const [vector] = await embedder.embed([query], { purpose: 'query', signal });
      if (!vector) throw new EmbeddingError('no vector came back', { retryable: true });
      return vector;
    } catch (cause) {
      left?.throwIfAborted();
      if (!(cause instanceof EmbeddingError) && !late.aborted) throw cause;
      const retryAfter = Math.ceil(((cause instanceof EmbeddingError && cause.retryAfterMs) || 5_000) / 1000);
      const message = 'The query could not be embedded. Try again later, or search with mode "keyword".';
      throw new DomainError('UNAVAILABLE', message, { retryAfter, cause });
    }
  });
}

interface Found {
  results: SearchResult[];
  index?: VectorIndex | undefined;
  candidates: number;
}

/**
 * All statements of a search see the database at one moment, so that a document that is replaced
 * meanwhile is found whole, as it was, or not at all. One after the other, on one connection.
 */
function findInSnapshot(
  pool: pg.Pool,
  request: SearchRequest,
  vector: Float32Array | undefined,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const find = async (client: pg.PoolClient): Promise<Found> => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { keyword, nearest } = await searchArms(client, request, vector);
    const ranked = await inSpan('fuse', {}, async () => {
      if (keyword && nearest) return spreadDocuments(fuse({ keyword, vector: nearest.hits }));
      return spreadDocuments(keyword ?? nearest?.hits ?? []);
    });
    const results = await inSpan('sql results', {}, () => fetchResults(client, ranked.slice(0, request.limit)));
    return { results, index: nearest?.index, candidates: ranked.length };
  };
  return transaction(pool, find, { ...(signal && { signal }) });
}

async function searchArms(
  db: Queryable,
  { query, mode, collection, filter }: SearchRequest,
  vector: Float32Array | undefined,
): Promise<{ keyword?: Hit[]; nearest?: { hits: Hit[]; index: VectorIndex } }> {
  const scope = { collection, filter };
  const keyword =
    mode !== 'vector' &&
    (await inSpan('sql keyword', {}, async (span) => {
      const hits = await searchByKeywords(db, { query, scope, depth: DEPTH });
      span.setAttribute(ATTRIBUTES.candidates, hits.length);
      return hits;
    }));
  const nearest =
    vector &&
    (await inSpan('sql vector', {}, async (span) => {
      const found = await searchByVector(db, { vector, scope, depth: DEPTH });
      span.setAttributes({ [ATTRIBUTES.candidates]: found.hits.length, [ATTRIBUTES.index]: found.index });
      return found;
    }));
  return { ...(keyword && { keyword }), ...(nearest && { nearest }) };
}

function describe(span: Span, { results, candidates }: Found): void {
  span.setAttributes({ [ATTRIBUTES.results]: results.length, [ATTRIBUTES.candidates]: candidates });
}

/** To microseconds. */
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

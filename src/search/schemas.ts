import { z } from 'zod';
import { collectionName } from './collection-name.ts';
import { SEARCH_MODES } from './search.ts';

/** Postgres stores no NUL and no half of a surrogate pair, so there is nothing to find by them. */
const storable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
const UNSTORABLE = 'must not hold NUL or broken Unicode';

const filterValue = z.union([z.string().max(1024).refine(storable, UNSTORABLE), z.number(), z.boolean()]);

const MAX_FILTER_KEYS = 16;

export const searchBody = z
  .strictObject({
    query: z
      .string()
      // Before it is trimmed: what the schema's maxLength refuses must be refused.
      .max(4096, 'must be at most 4096 characters')
      .trim()
      .min(1, 'must not be empty')
      .refine(storable, UNSTORABLE)
      .meta({ description: 'A question or some words', example: 'how are tides measured?' }),
    limit: z.int().min(1).max(100).default(10).meta({ description: 'Results at most', example: 5 }),
    mode: z
      .enum(SEARCH_MODES)
      .default('hybrid')
      .meta({ description: 'By meaning (vector), by words (keyword), or by both', example: 'hybrid' }),
    collection: collectionName
      .optional()
      .meta({ description: 'Only documents of it; all without', example: 'handbook' }),
    filter: z
      .record(
        z.string().min(1).max(128).refine(storable, UNSTORABLE),
        z.union([filterValue, z.array(filterValue).min(1).max(100)]),
      )
      .refine((filter) => Object.keys(filter).length <= MAX_FILTER_KEYS, `must have at most ${MAX_FILTER_KEYS} keys`)
      .optional()
      .meta({
        description:
          'By metadata: each key has the value, or one of the values. An array in the metadata matches by any of its elements.',
        example: { year: 2024, tags: ['tide', 'moon'] },
      }),
    explain: z.boolean().default(false).meta({ description: 'Adds how the answer came about' }),
  })
  .meta({ id: 'SearchRequest' });

const searchResult = z
  .object({
    documentId: z.uuid(),
    chunkId: z.string().meta({ description: 'As in the chunks of the document', example: '42' }),
    name: z.string().meta({ description: "The document's name", example: 'tides.md' }),
    text: z.string(),
    score: z.number().meta({
      description:
        'Higher is better; comparable within one answer alone. Each further chunk of one document counts half of what it would as its first.',
      example: 0.87,
    }),
    rank: z.int().meta({ description: 'From 1', example: 1 }),
    location: z.object({
      page: z.int().optional().meta({ description: 'From 1, where the format has pages' }),
      headings: z.array(z.string()).optional().meta({ description: 'Those above the chunk, outermost first' }),
      offset: z.int().meta({ description: 'Where the chunk starts in the extracted text, in UTF-16 units' }),
    }),
    metadata: z.record(z.string(), z.unknown()).meta({ description: "The document's metadata" }),
  })
  .meta({ id: 'SearchResult' });

export const searchAnswer = z
  .object({
    results: z.array(searchResult).meta({ description: 'Best first' }),
    mode: z.enum(SEARCH_MODES),
    tookMs: z.number(),
    traceId: z.string().nullable().meta({ description: 'Null where the request is not traced' }),
    explain: z
      .object({
        embedMs: z.number().meta({ description: 'Embedding the query; 0 in keyword mode' }),
        sqlMs: z.number().meta({ description: 'Searching, fusing and reading the results' }),
        index: z
          .enum(['hnsw', 'exact'])
          .nullable()
          .meta({ description: 'How the nearest vectors were found: exactly in small sets. Null in keyword mode' }),
        efSearch: z.int().nullable().meta({ description: 'hnsw.ef_search; null in keyword mode' }),
        candidates: z.int().meta({ description: 'Chunks that were ranked' }),
      })
      .optional(),
  })
  .meta({ id: 'SearchAnswer' });

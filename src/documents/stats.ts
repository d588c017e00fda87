import type pg from 'pg';
import { z } from 'zod';
import type { Embedder } from '../embeddings/embedder.ts';
import { type Endpoint, endpoint } from '../platform/endpoint.ts';
import { DOCUMENT_STATUSES } from './document.ts';
import { type LaneReading, readQueueState } from './queue-state.ts';

const lane = z.object({
  queued: z.int(),
  processing: z.int(),
  delayed: z.int(),
  oldestSeconds: z.number().meta({ description: 'Age of the document that has waited longest' }),
});

const statsSchema = z.object({
  documents: z.object({ queued: z.int(), processing: z.int(), completed: z.int(), failed: z.int() }),
  chunks: z.int(),
  queues: z.object({ fast: lane, heavy: lane }),
  embedding: z.object({ provider: z.string(), model: z.string(), dimensions: z.int().nullable() }),
});

/** Counts that a person wants to see first. */
export function statsEndpoints(deps: { pool: pg.Pool; embedder: Embedder }): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/api/v1/stats',
      operationId: 'getStats',
      summary: 'Count documents, chunks and what waits',
      tag: 'operation',
      answers: { 200: { description: 'Counts', schema: statsSchema } },
      errors: [],
      handle: async () => {
        const counts = await deps.pool.query<{ status: string; documents: number; chunks: number }>(
          'SELECT status, count(*)::int AS documents, coalesce(sum(chunks), 0)::int AS chunks FROM documents GROUP BY status',
        );
        const byStatus = new Map(counts.rows.map((row) => [row.status, row.documents]));
        const queues = await readQueueState(deps.pool);
        const { provider, model, space } = deps.embedder;
        return {
          status: 200,
          body: {
            documents: Object.fromEntries(DOCUMENT_STATUSES.map((status) => [status, byStatus.get(status) ?? 0])),
            chunks: counts.rows.reduce((sum, row) => sum + row.chunks, 0),
            queues: { fast: withoutOwners(queues.fast), heavy: withoutOwners(queues.heavy) },
            embedding: { provider, model, dimensions: space.current?.dimensions ?? null },
          },
        };
      },
    }),
  ];
}

const withoutOwners = ({ owners: _owners, ...lane }: LaneReading) => lane;

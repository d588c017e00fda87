import type pg from 'pg';
import { z } from 'zod';
import { type Endpoint, endpoint } from '../platform/endpoint.ts';
import type { Logger } from '../platform/logger.ts';
import { dispatch } from './dispatch.ts';
import { presentDocument } from './document.ts';
import type { Producers } from './producers.ts';
import { deadLetterQuery, documentSchema, page, requeueBody } from './schemas.ts';
import { listDocuments, requeueDocuments } from './store.ts';

const tag = 'dead letters';

/** The documents that failed for good: to look at, and to send on their way again. */
export function deadLetterEndpoints(deps: { pool: pg.Pool; producers: Producers; logger: Logger }): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/api/v1/dead-letters',
      operationId: 'listDeadLetters',
      summary: 'List failed documents with their reasons, latest first',
      tag,
      query: deadLetterQuery,
      answers: { 200: { description: 'A page of failed documents', schema: page(documentSchema) } },
      errors: ['INVALID_REQUEST'],
      handle: async ({ query: { code, limit, cursor } }) => {
        const found = await listDocuments(deps.pool, {
          status: 'failed',
          errorCode: code,
          orderBy: 'updated_at',
          limit,
          cursor,
        });
        return { status: 200, body: { items: found.items.map(presentDocument), nextCursor: found.nextCursor } };
      },
    }),
    endpoint({
      method: 'post',
      path: '/api/v1/dead-letters/requeue',
      operationId: 'requeueDeadLetters',
      summary: 'Process failed documents again, all or those of one error code',
      tag,
      body: requeueBody,
      answers: { 202: { description: 'How many are on their way', schema: z.object({ requeued: z.int() }) } },
      errors: ['INVALID_REQUEST', 'UNSUPPORTED_FORMAT'],
      handle: async ({ body: { code } }) => {
        const rows = await requeueDocuments(deps.pool, { failedWith: code });
        for (const row of rows) await dispatch(row, deps);
        return { status: 202, body: { requeued: rows.length } };
      },
    }),
  ];
}

import type pg from 'pg';
import { z } from 'zod';
import { type Endpoint, endpoint } from '../platform/endpoint.ts';
import type { Logger } from '../platform/logger.ts';
import type { Admission } from './admission.ts';
import { dispatch } from './dispatch.ts';
import { presentDocument } from './document.ts';
import { LANES } from './formats.ts';
import { PROCESSING_ERROR_CODES } from './job.ts';
import type { Producers } from './producers.ts';
import { deadLetterQuery, documentSchema, page, requeueAnswer, requeueBody } from './schemas.ts';
import { countFailed, type FailedFilter, listDocuments, requeueFailed } from './store.ts';

interface DeadLetterDeps {
  pool: pg.Pool;
  producers: Producers;
  logger: Logger;
  admission: Admission;
}

const tag = 'dead letters';
/** Put on the queue by the request itself; more of them are left to housekeeping. */
const DISPATCHED_AT_ONCE = 100;
const BATCH = 1_000;
/** Of one request: some seconds of work. */
const MOST_AT_A_TIME = 10_000;

/** The documents that failed for good: to look at, and to send on their way again. */
export function deadLetterEndpoints(deps: DeadLetterDeps): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/api/v1/dead-letters',
      operationId: 'listDeadLetters',
      summary: 'List failed documents with their reasons, latest first',
      tag,
      query: deadLetterQuery,
      answers: {
        200: {
          description: 'A page of failed documents, and how many there are by code',
          schema: page(documentSchema).extend({
            totals: z.partialRecord(z.enum(PROCESSING_ERROR_CODES), z.int()),
          }),
        },
      },
      errors: ['INVALID_REQUEST'],
      handle: async ({ query: { code, collection, limit, cursor } }) => {
        const { items, nextCursor } = await listDocuments(deps.pool, {
          status: 'failed',
          collection,
          errorCode: code,
          orderBy: 'updated_at',
          limit,
          cursor,
        });
        const totals = await countFailed(deps.pool, { code, collection });
        return { status: 200, body: { items: items.map(presentDocument), nextCursor, totals } };
      },
    }),
    endpoint({
      method: 'post',
      path: '/api/v1/dead-letters/requeue',
      operationId: 'requeueDeadLetters',
      summary: 'Process failed documents again: all, or those of an error code, a collection, or some ids',
      description: 'As many as there is room for, as for uploads; the others are left as they are, and counted.',
      tag,
      body: requeueBody,
      answers: { 202: { description: 'How many are on their way', schema: requeueAnswer } },
      errors: ['INVALID_REQUEST', 'UNSUPPORTED_FORMAT'],
      handle: async ({ body }) => {
        const requeued = await requeue(body, deps);
        const left = Object.values(await countFailed(deps.pool, body)).reduce((sum, count) => sum + count, 0);
        return { status: 202, body: { requeued, left } };
      },
    }),
  ];
}

async function requeue(filter: FailedFilter, { pool, producers, logger, admission }: DeadLetterDeps): Promise<number> {
  let requeued = 0;
  for (const lane of LANES) {
    for (;;) {
      const enqueued = requeued < DISPATCHED_AT_ONCE;
      const batch = enqueued ? DISPATCHED_AT_ONCE - requeued : BATCH;
      const limit = Math.min(batch, MOST_AT_A_TIME - requeued, admission.room(lane));
      const rows = limit > 0 ? await requeueFailed(pool, filter, { lane, limit, enqueued }) : [];
      if (rows.length === 0) break;
      requeued += rows.length;
      for (const row of rows) {
        admission.accepted(lane, row.owner);
        if (enqueued) await dispatch(row, { pool, producers, logger });
      }
    }
  }
  return requeued;
}

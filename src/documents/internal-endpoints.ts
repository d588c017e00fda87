import { trace } from '@opentelemetry/api';
import type pg from 'pg';
import { z } from 'zod';
import { type Endpoint, endpoint } from '../platform/endpoint.ts';
import { DomainError, errorType } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { markFailed } from '../platform/mark-failed.ts';
import { afterFailure } from './after-failure.ts';
import { failAttempt, releaseAttempt } from './attempt-ends.ts';
import { type AttemptPolicy, recordProgress, whyNotYours } from './attempts.ts';
import { ATTR_CHUNK_COUNT, ATTR_DOCUMENT_ID } from './attributes.ts';
import { LANES } from './formats.ts';
import {
  type Agreement,
  agreementSchema,
  type Claimed,
  CONTRACT,
  claimedSchema,
  claimSchema,
  disagreement,
  type EmbeddingSpace,
  failureSchema,
  jobId,
  progressSchema,
  turnSchema,
} from './job.ts';
import { recordAttempt, recordProcessed } from './metrics.ts';
import type { Producers } from './producers.ts';
import { storeResult } from './results.ts';
import { sendContent } from './send-content.ts';
import { findDocument } from './store.ts';
import { takeTurn } from './turns.ts';

export interface InternalDeps {
  pool: pg.Pool;
  producers: Producers;
  policy: AttemptPolicy;
  /** Of the vectors that this backend stores and searches; undefined while that is not known. */
  space: () => EmbeddingSpace | undefined;
  logger: Logger;
}

const tag = 'internal';
const document = z.object({ id: z.uuid() });
const attempt = document.extend({ attempt: z.coerce.number().int().positive() });
const ofAttempt = '/internal/documents/:id/attempts/:attempt';
const errors = ['INVALID_REQUEST', 'NOT_FOUND', 'CONFLICT'] as const;

/** The backend's side of the job contract: what a worker may ask, and tell. */
export function internalEndpoints(deps: InternalDeps): Endpoint[] {
  const { pool, policy } = deps;
  return [
    endpoint({
      method: 'get',
      path: '/internal/contract',
      operationId: 'getContract',
      summary: 'What a worker must agree with before it takes jobs',
      tag,
      answers: { 200: { description: 'Of this backend', schema: agreementSchema } },
      errors: [],
      handle: () => ({ status: 200, body: { contract: CONTRACT, space: deps.space() } }),
    }),
    endpoint({
      method: 'post',
      path: '/internal/documents/:id/attempts',
      operationId: 'claimAttempt',
      summary: 'Ask for a document; counts the attempt',
      tag,
      params: document,
      body: claimSchema,
      answers: { 200: { description: 'Yours', schema: claimedSchema } },
      errors: [...errors, 'INCOMPATIBLE'],
      handle: async ({ params, body }) => {
        assertAgreement(body, deps);
        return { status: 200, body: await claim(params.id, body, deps) };
      },
    }),
    endpoint({
      method: 'post',
      path: '/internal/lanes/:lane/attempts',
      operationId: 'claimTurn',
      summary: 'Ask for a document of others than those in hand; counts the attempt',
      tag,
      params: z.object({ lane: z.enum(LANES) }),
      body: turnSchema,
      answers: { 200: { description: 'Yours', schema: claimedSchema } },
      errors: [...errors, 'INCOMPATIBLE'],
      handle: async ({ params, body }) => {
        assertAgreement(body, deps);
        const claimed = await takeTurn(pool, { lane: params.lane, ...body }, policy);
        if (!claimed) throw new DomainError('NOT_FOUND', 'Nothing of others waits.');
        return { status: 200, body: claimed };
      },
    }),
    endpoint({
      method: 'get',
      path: '/internal/documents/:id/content',
      operationId: 'fetchContent',
      summary: 'The original bytes',
      tag,
      params: document,
      answers: { 200: { description: 'The bytes', contentType: 'application/octet-stream' } },
      errors,
      handle: async ({ params, response }) => {
        const row = await findDocument(pool, params.id);
        if (!row) throw new DomainError('NOT_FOUND', 'The document is gone. Drop it.');
        await sendContent(response, pool, row, () => void response.type('application/octet-stream'));
        return undefined;
      },
    }),
    endpoint({
      method: 'post',
      path: `${ofAttempt}/progress`,
      operationId: 'reportProgress',
      summary: 'A sign of life',
      tag,
      params: attempt,
      body: progressSchema,
      answers: { 204: { description: 'Go on' } },
      errors,
      handle: async ({ params, body }) => {
        await recordProgress(pool, { documentId: params.id, attempt: params.attempt }, body, policy);
        return { status: 204 };
      },
    }),
    endpoint({
      method: 'put',
      path: `${ofAttempt}/result`,
      operationId: 'storeResult',
      summary: 'The chunks of a document, streamed',
      tag,
      params: attempt,
      rawBody: { contentTypes: { 'application/x-ndjson': z.string() } },
      answers: { 204: { description: 'Stored and searchable' } },
      errors,
      handle: async ({ params, request }) => {
        await store(deps, { documentId: params.id, attempt: params.attempt }, request);
        return { status: 204 };
      },
    }),
    endpoint({
      method: 'post',
      path: `${ofAttempt}/failure`,
      operationId: 'reportFailure',
      summary: 'The attempt failed',
      tag,
      params: attempt,
      body: failureSchema,
      answers: { 204: { description: 'Noted' } },
      errors,
      handle: async ({ params, body }) => {
        const after = await failAttempt(pool, { documentId: params.id, attempt: params.attempt }, body, policy);
        await afterFailure(after, 'failed', deps);
        return { status: 204 };
      },
    }),
    endpoint({
      method: 'post',
      path: `${ofAttempt}/release`,
      operationId: 'releaseAttempt',
      summary: 'Hand an attempt back unfinished',
      tag,
      params: attempt,
      answers: { 204: { description: 'Somebody else will do it' } },
      errors,
      handle: async ({ params }) => {
        const released = await releaseAttempt(pool, { documentId: params.id, attempt: params.attempt }, policy);
        await afterFailure(released, 'failed', deps);
        return { status: 204 };
      },
    }),
  ];
}

const toldOfWorkers = new WeakSet<Logger>();

/** @throws DomainError `INCOMPATIBLE` where the worker can't work for this backend. */
function assertAgreement(worker: Parameters<typeof disagreement>[0], deps: InternalDeps): void {
  // Of the version before: it is taken at its word, as an upgrade needs, and whoever left it running should know.
  if (worker.space === undefined && !toldOfWorkers.has(deps.logger)) {
    toldOfWorkers.add(deps.logger);
    deps.logger.warn('an ai-worker of an earlier version does not say which model it embeds with; upgrade it soon');
  }
  const fault = disagreement(worker, agreementOf(deps));
  if (fault !== undefined) throw new DomainError('INCOMPATIBLE', fault);
}

/** @throws DomainError `NOT_FOUND` if the job's document is gone, `CONFLICT` where nothing waits. */
async function claim(
  documentId: string,
  { attempt, worker, holding }: { attempt: number; worker: string; holding: string[] },
  { pool, policy }: InternalDeps,
): Promise<Claimed> {
  const row = await findDocument(pool, documentId);
  const claimed =
    row &&
    (await takeTurn(
      pool,
      { lane: row.lane, worker, ticket: jobId({ documentId, attempt }), documentId, holding },
      policy,
    ));
  if (!claimed) throw await whyNotYours(pool, documentId);
  return claimed;
}

/** @throws DomainError `UNAVAILABLE` while the model's width is not known yet: no worker can begin. */
function agreementOf({ space }: InternalDeps): Agreement & { space: EmbeddingSpace } {
  const known = space();
  if (!known) throw new DomainError('UNAVAILABLE', 'The width of the vectors is not known yet.', { retryAfter: 5 });
  return { contract: CONTRACT, space: known };
}

function store(
  deps: InternalDeps,
  id: { documentId: string; attempt: number },
  body: Parameters<typeof storeResult>[2],
): Promise<void> {
  return trace.getTracer('ragbase.documents').startActiveSpan('store', async (span) => {
    try {
      const { dimensions } = agreementOf(deps).space;
      const completed = await storeResult(deps.pool, id, body, { dimensions, policy: deps.policy });
      span.setAttribute(ATTR_DOCUMENT_ID, id.documentId);
      if (!completed) return;
      span.setAttribute(ATTR_CHUNK_COUNT, completed.chunks);
      recordAttempt(completed.lane, 'completed');
      recordProcessed(completed, 'completed', completed.total_ms);
    } catch (error) {
      markFailed(span, errorType(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

import type { Request, Response } from 'express';
import type pg from 'pg';
import { type Endpoint, endpoint, type Reply } from '../platform/endpoint.ts';
import { DomainError } from '../platform/errors.ts';
import { readJsonBody } from '../platform/json-body.ts';
import type { Logger } from '../platform/logger.ts';
import { enterUntilClosed, keyOf, type Places } from '../platform/places.ts';
import type { Admission } from './admission.ts';
import { dispatch } from './dispatch.ts';
import { type DocumentRow, presentDocument } from './document.ts';
import { streamEvents } from './events.ts';
import { FORMATS } from './formats.ts';
import { noteDocument } from './note-document.ts';
import type { Producers } from './producers.ts';
import * as schemas from './schemas.ts';
import { sendContent } from './send-content.ts';
import * as store from './store.ts';
import { assertJsonSize, jsonLimit, receiveJson, receiveMultipart, type UploadOptions } from './upload.ts';
import type { DocumentWatcher } from './watcher.ts';

export interface DocumentDeps {
  pool: pg.Pool;
  producers: Producers;
  logger: Logger;
  upload: Omit<UploadOptions, 'owner'>;
  admission: Admission;
  places: Record<'uploads' | 'downloads' | 'events', Places>;
  watcher: DocumentWatcher;
  /** Aborted when the process shuts down. */
  signal: AbortSignal;
}

const tag = 'documents';
const CONTENT_TYPES = [...new Set(Object.values(FORMATS).map((format) => format.contentType))];
const one = { schema: schemas.documentSchema };

/** Everything that a client does with documents, but searching them. */
export function documentEndpoints(deps: DocumentDeps): Endpoint[] {
  const { pool } = deps;
  return [
    endpoint({
      method: 'post',
      path: '/api/v1/documents',
      operationId: 'uploadDocument',
      summary: 'Upload a document',
      description:
        'As multipart/form-data with a file, or as JSON with its text. From the 202 on, the document ends completed or failed with a reason.',
      tag,
      rawBody: {
        contentTypes: { 'multipart/form-data': schemas.multipartUpload, 'application/json': schemas.jsonUpload },
      },
      answers: {
        202: { description: 'Accepted and queued', ...one },
        200: { description: 'The same bytes are in this collection already', ...one },
      },
      errors: ['INVALID_REQUEST', 'FILE_TOO_LARGE', 'UNSUPPORTED_FORMAT', 'EMPTY_DOCUMENT', 'QUEUE_FULL'],
      handle: ({ request, response }) => upload(request, response, deps),
    }),
    endpoint({
      method: 'get',
      path: '/api/v1/documents',
      operationId: 'listDocuments',
      summary: 'List documents, newest first',
      tag,
      query: schemas.listQuery,
      answers: { 200: { description: 'A page of documents', schema: schemas.page(schemas.documentSchema) } },
      errors: ['INVALID_REQUEST'],
      handle: async ({ query }) => {
        const { items, nextCursor } = await store.listDocuments(pool, query);
        return { status: 200, body: { items: items.map(presentDocument), nextCursor } };
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/v1/documents/:id',
      operationId: 'getDocument',
      summary: 'See how a document is doing',
      tag,
      params: schemas.idParams,
      answers: { 200: { description: 'The document', ...one } },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
      handle: async ({ params }) => ({ status: 200, body: presentDocument(await mustFind(pool, params.id)) }),
    }),
    endpoint({
      method: 'get',
      path: '/api/v1/documents/:id/events',
      operationId: 'watchDocument',
      summary: 'Follow a document until its outcome',
      description:
        'Server-Sent Events: a `status` event at once and for each change; ends after completed or failed. `deleted` and `shutdown` are last events too; after a shutdown, reconnect.',
      tag,
      params: schemas.idParams,
      answers: {
        200: { description: 'A stream of events', contentType: 'text/event-stream' },
        204: { description: 'The outcome is what `Last-Event-ID` names: do not reconnect' },
      },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
      handle: async ({ params, response }) => {
        const row = await mustFind(pool, params.id);
        enterUntilClosed(deps.places.events, response);
        streamEvents(response, row, deps);
        return undefined;
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/v1/documents/:id/content',
      operationId: 'downloadDocument',
      summary: 'Download the original bytes',
      tag,
      params: schemas.idParams,
      answers: { 200: { description: 'The bytes, as an attachment', contentType: CONTENT_TYPES } },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
      handle: async ({ params, response }) => {
        const row = await mustFind(pool, params.id);
        enterUntilClosed(deps.places.downloads, response);
        await sendContent(response, pool, row, () => {
          response.attachment(row.name);
          response.set({ 'Content-Type': FORMATS[row.format].contentType, 'X-Content-Type-Options': 'nosniff' });
        });
        return undefined;
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/v1/documents/:id/chunks',
      operationId: 'listChunks',
      summary: "List a document's searchable chunks, in order",
      tag,
      params: schemas.idParams,
      query: schemas.chunksQuery,
      answers: { 200: { description: 'A page of chunks', schema: schemas.page(schemas.chunkSchema) } },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
      handle: async ({ params, query }) => ({ status: 200, body: await chunkPage(pool, params.id, query) }),
    }),
    endpoint({
      method: 'post',
      path: '/api/v1/documents/:id/reprocess',
      operationId: 'reprocessDocument',
      summary: 'Process a document again',
      description:
        'What is searchable stays so until the new chunks are whole. A document that is on its way already is left alone.',
      tag,
      params: schemas.idParams,
      answers: { 202: { description: 'On its way', ...one } },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
      handle: async ({ params }) => {
        const requeued = await store.requeueDocument(pool, params.id);
        if (requeued) await dispatch(requeued, deps);
        return { status: 202, body: presentDocument(requeued ?? (await mustFind(pool, params.id))) };
      },
    }),
    endpoint({
      method: 'delete',
      path: '/api/v1/documents/:id',
      operationId: 'deleteDocument',
      summary: 'Delete a document, whatever it is doing',
      tag,
      params: schemas.idParams,
      answers: { 204: { description: 'Gone, with its bytes and chunks' } },
      errors: ['INVALID_REQUEST', 'NOT_FOUND'],
      handle: async ({ params }) => {
        if (!(await store.deleteDocument(pool, params.id))) throw noSuchDocument();
        return { status: 204 };
      },
    }),
  ];
}

async function upload(request: Request, response: Response, deps: DocumentDeps): Promise<Reply> {
  const { row, duplicate } = await receive(request, response, deps);
  noteDocument(row.id);
  if (!duplicate) {
    deps.admission.accepted(row.lane, row.owner);
    await dispatch(row, deps);
  }
  const body = presentDocument(row);
  return duplicate
    ? { status: 200, body: { ...body, duplicate: true } }
    : { status: 202, body, headers: { Location: `/api/v1/documents/${row.id}` } };
}

/** Reads a document, if there is room for it. */
async function receive(request: Request, response: Response, deps: DocumentDeps) {
  const { pool, upload, admission, places } = deps;
  const options: UploadOptions = { ...upload, owner: keyOf(response) };
  admission.assertSomeRoom(options.owner);
  const leave = places.uploads.enter(response);
  const held = admission.hold(options.owner);
  try {
    if (request.is('multipart/form-data')) return await receiveMultipart(request, pool, options);
    const limit = jsonLimit(options);
    assertJsonSize(request, limit);
    return await receiveJson(await readJsonBody(request, { limit, onBytes: held.add }), pool, options);
  } finally {
    held.release();
    leave();
  }
}

async function chunkPage(pool: pg.Pool, id: string, query: { limit: number; cursor?: string | undefined }) {
  const after = Number(query.cursor ?? -1);
  const rows = await store.listChunks(pool, await mustFind(pool, id), { after, limit: query.limit + 1 });
  const items = rows.slice(0, query.limit).map((row) => ({
    id: row.id,
    ordinal: row.ordinal,
    text: row.text,
    tokens: row.tokens,
    location: {
      ...(row.page !== null && { page: row.page }),
      ...(row.headings.length > 0 && { headings: row.headings }),
      offset: row.start_offset,
    },
  }));
  return { items, nextCursor: rows.length > query.limit ? String(items.at(-1)?.ordinal) : null };
}

async function mustFind(pool: pg.Pool, id: string): Promise<DocumentRow> {
  const row = await store.findDocument(pool, id);
  if (!row) throw noSuchDocument();
  return row;
}

const noSuchDocument = () => new DomainError('NOT_FOUND', 'There is no document with this id.');

import type { Response } from 'express';
import type pg from 'pg';
import { countStreamedBytes } from '../platform/http-telemetry.ts';
import type { DocumentRow } from './document.ts';
import { readParts } from './parts.ts';

/**
 * Sends the original bytes of a document, as fast as they are read, and ends with the last of them: a client that has all
 * that was announced may close before it is told of the end. One that leaves earlier ends it, and that is no error.
 * @param setHeaders those beside its length.
 * @throws DomainError `NOT_FOUND` where the document is deleted meanwhile: what was sent is not whole.
 */
export async function sendContent(
  response: Response,
  pool: pg.Pool,
  { id, bytes }: Pick<DocumentRow, 'id' | 'bytes'>,
  setHeaders: () => void,
): Promise<void> {
  const total = Number(bytes);
  const announce = () => {
    setHeaders();
    countStreamedBytes(response);
    response.set('Content-Length', String(total));
  };
  if (response.req.method === 'HEAD' || total === 0) {
    announce();
    return void response.end();
  }
  let sent = 0;
  for await (const piece of readParts(pool, id, total)) {
    if (isGone(response)) return;
    // Not before there is something: an error has another type and length.
    if (sent === 0) announce();
    sent += piece.length;
    if (sent >= total) return void response.end(piece);
    if (!response.write(piece)) await drained(response);
  }
}

const isGone = (response: Response): boolean => response.destroyed || response.closed;

/** Until there is room for more, or nobody is left to send it to. */
function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    if (isGone(response)) done();
  });
}

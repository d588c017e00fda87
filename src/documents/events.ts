import type { Response } from 'express';
import { countStreamedBytes } from '../platform/http-telemetry.ts';
import { type DocumentRow, presentDocument } from './document.ts';
import type { DocumentWatcher } from './watcher.ts';

const HEARTBEAT_MS = 15_000;
/** How long a client waits until it reconnects after a shutdown; its own default is some seconds. */
const RETRY_MS = 1_000;

/**
 * Server-Sent Events of one document: a `status` event at once, one for each change, the end after its outcome. A client that
 * reconnects is told the present state, so it can't miss one; one that has seen the outcome is told by a 204 to stay away.
 * At shutdown the last event is `shutdown`, with the time to reconnect after.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function streamEvents(
  response: Response,
  row: DocumentRow,
  { watcher, signal }: { watcher: DocumentWatcher; signal: AbortSignal },
): void {
  const isOver = row.status === 'completed' || row.status === 'failed';
  if (isOver && response.req.get('last-event-id') === row.updated_at.toISOString())
    return void response.status(204).end();
  countStreamedBytes(response);
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // A proxy that buffers would hold every event back.
    'X-Accel-Buffering': 'no',
  });
  if (response.req.method === 'HEAD') return void response.end();

  let last = '';
  const send = (current: DocumentRow | undefined) => {
    // Nothing piles up for a reader who is slow: the next poll tells what is so by then.
    if (response.writableNeedDrain) return;
    if (!current) return finish('event: deleted\ndata: {}\n\n');
    const { progress, error, status, attempts, chunks, updatedAt } = presentDocument(current);
    const data = JSON.stringify({ id: current.id, status, progress, attempts, chunks, error });
    if (data !== last) response.write(`event: status\nid: ${updatedAt}\ndata: ${data}\n\n`);
    last = data;
    if (status === 'completed' || status === 'failed') finish();
  };
  const beat = () => response.writableNeedDrain || response.write(': still here\n\n');
  // A stream has no natural end: a shutdown must not wait for it. Without data, a client would not be told of an event.
  const shutDown = () => finish(`event: shutdown\nretry: ${RETRY_MS}\ndata: {}\n\n`);
  const stop = watcher.watch(row.id, send);
  const heartbeat = setInterval(beat, HEARTBEAT_MS);
  response.once('close', release);
  signal.addEventListener('abort', shutDown);
  if (response.closed || response.destroyed) release();
  else if (signal.aborted) shutDown();
  else send(row);

  /** The signal and the watcher outlive the stream: nothing of it may stay on them. */
  function release(): void {
    stop();
    clearInterval(heartbeat);
    signal.removeEventListener('abort', shutDown);
  }
  function finish(lastWords?: string): void {
    release();
    response.end(lastWords);
  }
}

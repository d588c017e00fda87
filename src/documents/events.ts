import type { Response } from 'express';
import type pg from 'pg';
import { countStreamedBytes } from '../platform/http-telemetry.ts';
import type { Logger } from '../platform/logger.ts';
import { type DocumentRow, presentDocument } from './document.ts';

/** Tells listeners of a document's changes; `undefined` when it is gone. */
type Listener = (row: DocumentRow | undefined) => void;

/** Watches documents for as long as somebody listens. */
export interface DocumentWatcher {
  /** @returns the function that ends listening. */
  watch(id: string, listener: Listener): () => void;
  close(): void;
}

/**
 * Polls the state of all watched documents in one query: what a client is shown is what the
 * database says, so that no outcome is missed, whichever backend it happened on.
 */
export function createWatcher(options: { pool: pg.Pool; intervalMs: number; logger: Logger }): DocumentWatcher {
  const listeners = new Map<string, Set<Listener>>();
  let timer: NodeJS.Timeout | undefined;

  async function poll(): Promise<void> {
    const ids = [...listeners.keys()];
    try {
      const { rows } = await options.pool.query<DocumentRow>('SELECT * FROM documents WHERE id = ANY($1::uuid[])', [
        ids,
      ]);
      const byId = new Map(rows.map((row) => [row.id, row]));
      for (const id of ids) for (const listener of listeners.get(id) ?? []) listener(byId.get(id));
    } catch (error) {
      options.logger.debug('could not poll watched documents', { error });
    }
    timer = listeners.size > 0 ? setTimeout(poll, options.intervalMs) : undefined;
  }

  return {
    watch(id, listener) {
      const own = listeners.get(id) ?? new Set();
      listeners.set(id, own.add(listener));
      timer ??= setTimeout(poll, options.intervalMs);
      return () => {
        own.delete(listener);
        if (own.size === 0) listeners.delete(id);
      };
    },
    close() {
      clearTimeout(timer);
      listeners.clear();
    },
  };
}

const HEARTBEAT_MS = 15_000;

/**
 * Server-Sent Events of one document: a `status` event at once, one for each change, the end after
 * its outcome. A client that reconnects is told the present state, so it can't miss one.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function streamEvents(
  response: Response,
  row: DocumentRow,
  options: { watcher: DocumentWatcher; signal: AbortSignal },
): void {
  countStreamedBytes(response);
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // A proxy that buffers would hold every event back.
    'X-Accel-Buffering': 'no',
  });
  const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS);
  let last = '';
  const send: Listener = (current) => {
    if (!current) {
      response.write('event: deleted\ndata: {}\n\n');
      return finish();
    }
    const { progress, error, status, attempts, chunks, updatedAt } = presentDocument(current);
    const data = JSON.stringify({ id: current.id, status, progress, attempts, chunks, error });
    if (data !== last) response.write(`event: status\nid: ${updatedAt}\ndata: ${data}\n\n`);
    last = data;
    if (status === 'completed' || status === 'failed') finish();
  };
  const stop = options.watcher.watch(row.id, send);
  function finish(): void {
    stop();
    clearInterval(heartbeat);
    response.end();
  }
  response.once('close', finish);
  // A stream has no natural end: a shutdown must not wait for it.
  options.signal.addEventListener('abort', finish, { once: true });
  send(row);
}

import type pg from 'pg';
import type { Logger } from '../platform/logger.ts';
import type { DocumentRow } from './document.ts';

/** Is told of a document's state; `undefined` when it is gone. */
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
  /** From when the next poll is due until it is over: there is never more than one. */
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function poll(): Promise<void> {
    try {
      await tell([...listeners.keys()]);
    } catch (error) {
      options.logger.debug('could not poll watched documents', { error });
    }
    timer = undefined;
    schedule();
  }

  async function tell(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { rows } = await options.pool.query<DocumentRow>('SELECT * FROM documents WHERE id = ANY($1::uuid[])', [ids]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const id of ids) for (const listener of [...(listeners.get(id) ?? [])]) listener(byId.get(id));
  }

  function schedule(): void {
    if (listeners.size > 0 && !isClosed) timer ??= setTimeout(poll, options.intervalMs);
  }

  return {
    watch(id, listener) {
      const own = listeners.get(id) ?? new Set();
      listeners.set(id, own.add(listener));
      schedule();
      return () => {
        own.delete(listener);
        // Another may have begun to watch it since.
        if (own.size === 0 && listeners.get(id) === own) listeners.delete(id);
      };
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      listeners.clear();
    },
  };
}

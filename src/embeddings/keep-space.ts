import type { Pool } from 'pg';
import { toError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { waitFor } from '../platform/wait-for.ts';
import type { ProviderWatch } from './provider-watch.ts';
import { settleEmbeddingSpace } from './space.ts';

/** Whether the database can take what the model gives. */
export interface SpaceWatch {
  /** True until the model has shown that it does not fit. Only another configuration mends that. */
  readonly fits: boolean;
}

/**
 * Once the model has answered for the first time, however long that takes, gives a new database its width, and
 * compares that of one in use. At a start the process has ended by then if it knew of a fault; later it lives on,
 * for others to see that it is not ready, and why.
 */
export function keepSpace(
  pool: Pool,
  { embedder, firstAnswer }: ProviderWatch,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): SpaceWatch {
  let fits = true;
  const compare = async () => {
    const seen = await firstAnswer;
    await waitFor('the database', () => settleEmbeddingSpace(pool, embedder, seen), { logger, signal });
  };
  compare().catch((error: unknown) => {
    if (signal.aborted) return;
    fits = false;
    logger.error(toError(error).message, { alert: 'critical', error });
  });
  return {
    get fits() {
      return fits;
    },
  };
}

import { setTimeout } from 'node:timers/promises';
import { CONTRACT, disagreement, type EmbeddingSpace } from '../documents/job.ts';
import { errorType } from '../platform/errors.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import type { BackendClient } from './backend-client.ts';

export interface AgreementOptions {
  backend: Pick<BackendClient, 'agreement'>;
  /** Of the vectors that this worker makes; undefined while their width is not known. */
  space: () => EmbeddingSpace | undefined;
  logger: Logger;
  lifecycle: Lifecycle;
  /** Told when this worker may work for the backend, and when it no longer may; awaited. */
  onChange: (agrees: boolean) => unknown;
}

/** Whether this worker and the backend speak of the same thing. */
export interface AgreementWatch {
  readonly holds: boolean;
  /** The backend has refused this worker: asks it again at once. */
  doubt(): void;
}

const ANSWER_MS = 5_000;
/** Before the first agreement; a backend that is only starting is there soon. */
const FIRST_MS = 500;
/** Later: the backend may be another by then. */
const AGAIN_MS = 15_000;

/**
 * Asks the backend, now and again, what it speaks and which vectors it stores. A backend that is away leaves
 * everything as it was; one of a version that does not say is taken at its word when it refuses.
 */
export function watchAgreement({ backend, space, logger, lifecycle, onChange }: AgreementOptions): AgreementWatch {
  let holds = false;
  let fault: string | undefined;
  let wake = new AbortController();

  async function ask(): Promise<void> {
    const agreement = await backend.agreement(ANSWER_MS);
    const found = agreement && disagreement({ contract: CONTRACT, space: space() }, agreement);
    if (found !== undefined && found !== fault)
      logger.error('this ai-worker can not work for its backend; its jobs are for others', { reason: found });
    fault = found;
    const agrees = found === undefined;
    if (agrees === holds) return;
    holds = agrees;
    await onChange(agrees);
  }

  async function watch(): Promise<void> {
    while (!lifecycle.signal.aborted) {
      // Before it is asked: a doubt that comes meanwhile is heard at once.
      wake = new AbortController();
      await ask().catch((error: unknown) => logger.debug('the backend does not say', { reason: errorType(error) }));
      if (lifecycle.signal.aborted) return;
      await setTimeout(holds ? AGAIN_MS : FIRST_MS, undefined, { signal: wake.signal }).catch(() => undefined);
    }
  }

  const watching = watch();
  lifecycle.onClose('agreement', () => {
    wake.abort();
    return watching;
  });
  return {
    get holds() {
      return holds;
    },
    doubt: () => wake.abort(),
  };
}

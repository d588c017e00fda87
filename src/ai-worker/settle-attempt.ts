import { trace } from '@opentelemetry/api';
import { type Claimed, type Failure, ProcessingError } from '../documents/job.ts';
import { EmbeddingError } from '../embeddings/embedder.ts';
import type { Logger } from '../platform/logger.ts';
import { markFailed } from '../platform/mark-failed.ts';
import type { BackendClient } from './backend-client.ts';
import { AttemptLostError, DisagreementError } from './backend-errors.ts';

export interface SettleDeps {
  backend: Pick<BackendClient, 'fail' | 'release'>;
  logger: Logger;
  /** Told when the backend says that this worker can't work for it. */
  onDisagreement: () => void;
}

/** Tells the backend how an attempt ended that did not succeed. Never rejects: otherwise its lease tells. */
export async function settleAttempt(
  error: unknown,
  claimed: Claimed,
  signals: { shutdown: AbortSignal; lost: AbortSignal },
  deps: SettleDeps,
): Promise<void> {
  try {
    if (signals.lost.aborted || error instanceof AttemptLostError)
      deps.logger.info('attempt dropped: the document is gone or somebody else has it');
    else if (signals.shutdown.aborted) await deps.backend.release(claimed);
    else if (error instanceof DisagreementError) {
      deps.onDisagreement();
      await deps.backend.release(claimed);
    } else {
      const failure = failureOf(error);
      markFailed(trace.getActiveSpan(), failure.code);
      deps.logger.warn('attempt failed', { code: failure.code, retryable: failure.retryable, error });
      await deps.backend.fail(claimed, failure, signals.shutdown).catch((refused: unknown) => {
        if (!signals.shutdown.aborted || refused instanceof AttemptLostError) throw refused;
        return deps.backend.release(claimed);
      });
    }
  } catch (failure) {
    if (!(failure instanceof AttemptLostError))
      deps.logger.warn('could not report the end of an attempt; its lease will end it', { error: failure });
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof ProcessingError)
    return { code: error.code, message: error.message, retryable: error.retryable, surroundings: false };
  if (error instanceof EmbeddingError)
    return {
      code: 'EMBEDDING_FAILED',
      message: error.message.slice(0, 500),
      retryable: error.retryable,
      surroundings: error.retryable,
      retryAfterMs: error.retryAfterMs,
    };
  return {
    code: 'WORKER_CRASHED',
    message: 'The worker failed in a way it does not know.',
    retryable: true,
    surroundings: false,
  };
}

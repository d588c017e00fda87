import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { Claimed, Stage } from '../documents/job.ts';
import { AttemptLostError, type BackendClient } from './backend-client.ts';

/** What the backend is told of an attempt while it lasts. */
export interface SignsOfLife {
  enter(stage: Stage): void;
  percent(percent: number): void;
  stop(): void;
}

/**
 * Renews the lease three times in its length, with the stage and progress as of then.
 * @param deps.onProgress told of each change.
 * @param lost aborted when the backend says that the attempt is somebody else's now.
 */
export function startSigns(
  claimed: Claimed,
  lost: AbortController,
  deps: { backend: BackendClient; onProgress: () => void },
): SignsOfLife {
  let now: { stage: Stage; percent: number } = { stage: 'fetch', percent: 0 };
  // Outside the document's trace, where each would be a span.
  const send = () =>
    context.with(ROOT_CONTEXT, () =>
      deps.backend.progress(claimed, now).catch((error: unknown) => {
        if (error instanceof AttemptLostError) lost.abort(error);
      }),
    );
  const timer = setInterval(send, claimed.leaseMs / 3);
  return {
    enter: (stage) => {
      deps.onProgress();
      now = { stage, percent: 0 };
    },
    percent: (percent) => {
      deps.onProgress();
      now = { ...now, percent };
    },
    stop: () => clearInterval(timer),
  };
}

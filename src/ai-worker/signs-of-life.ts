import { setTimeout } from 'node:timers/promises';
import type { Claimed, Stage } from '../documents/job.ts';
import { untraced } from '../platform/untraced.ts';
import type { BackendClient } from './backend-client.ts';
import { AttemptLostError } from './backend-errors.ts';

/** What the backend is told of an attempt while it lasts. */
export interface SignsOfLife {
  enter(stage: Stage): void;
  percent(percent: number): void;
  stop(): void;
}

/**
 * Renews the lease, with the stage and progress as of then: a third of a lease after the last try has ended, each
 * within another third, so that what is sent to a backend that is away never piles up.
 * @param deps.onProgress told of each change.
 * @param lost aborted when the backend says that the attempt is somebody else's now.
 */
export function startSigns(
  claimed: Claimed,
  lost: AbortController,
  deps: { backend: Pick<BackendClient, 'progress'>; onProgress: () => void },
): SignsOfLife {
  let now: { stage: Stage; percent: number } = { stage: 'fetch', percent: 0 };
  const ended = new AbortController();
  const third = claimed.leaseMs / 3;
  const renew = async () => {
    while (!ended.signal.aborted && !lost.signal.aborted) {
      await setTimeout(third, undefined, { signal: ended.signal });
      await deps.backend.progress(claimed, now, third).catch((error: unknown) => {
        if (error instanceof AttemptLostError) lost.abort(error);
        // Whoever waits for a backend that is away does not stand still.
        else deps.onProgress();
      });
    }
  };
  // Outside the document's trace, where each would be a span. It rejects when it is ended.
  untraced(renew).catch(() => undefined);
  return {
    enter: (stage) => {
      deps.onProgress();
      now = { stage, percent: 0 };
    },
    percent: (percent) => {
      deps.onProgress();
      now = { ...now, percent };
    },
    stop: () => ended.abort(),
  };
}

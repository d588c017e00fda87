import { setTimeout as sleep } from 'node:timers/promises';
import { type ChildRun, type ChildSpec, type Exit, type OnLine, runChild } from './child-run.ts';
import { LaunchError } from './launch-error.ts';

/** A process that ran this long before it crashed had started well; the count begins anew. */
const STABLE_MS = 30_000;
/** Waits before the restarts that follow each other. After the last, a process that never was ready is given up. */
const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000];
/** One that was, is started again for ever: what ended it may be over by then. */
const LONGEST_BACKOFF_MS = 30_000;
const FIRST_READY_MS = 120_000;

export interface SuperviseOptions {
  onLine: OnLine;
  /** URL that answers 200 when the process is ready; without one, it reports by itself. */
  readyUrl?: string;
  /** Longest time from SIGTERM to its end; then it is killed. */
  stopTimeoutMs: number;
  /** Told at each further start: the process has a new id. */
  onSpawn: () => void;
}

/** A process that is started again when it crashes. */
export interface Supervised {
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves when it is ready for the first time. @throws LaunchError where it can't start. */
  readonly firstReady: Promise<void>;
  /** Ends it with SIGTERM. True if it ended by itself, with status 0. */
  stop(): Promise<boolean>;
  /** Ends it, and all that it started, at once. */
  kill(): void;
}

/** What is known of a process over all its runs. */
interface Supervision {
  readonly spec: ChildSpec;
  readonly options: SuperviseOptions;
  readonly stopping: AbortController;
  readonly first: PromiseWithResolvers<void>;
  run: ChildRun;
  wasReady: boolean;
}

/** Starts a process and keeps it running until `stop`. */
export function supervise(spec: ChildSpec, options: SuperviseOptions): Supervised {
  const first = Promise.withResolvers<void>();
  // Whoever does not await it (a start that was broken off) must not end the launcher.
  first.promise.catch(() => undefined);
  const run = runChild(spec, options.onLine);
  const supervision = { spec, options, stopping: new AbortController(), first, run, wasReady: false };
  const ended = keepRunning(supervision);
  return {
    name: spec.name,
    get pid() {
      return supervision.run.pid;
    },
    firstReady: first.promise,
    async stop() {
      supervision.stopping.abort();
      first.reject(new LaunchError(`${spec.name} was stopped while it started`));
      supervision.run.terminate();
      const tooLong = setTimeout(() => supervision.run.kill(), options.stopTimeoutMs);
      await ended;
      clearTimeout(tooLong);
      return (await supervision.run.exited).code === 0;
    },
    kill() {
      supervision.stopping.abort();
      supervision.run.kill();
    },
  };
}

/** Starts the process again after each crash, until it is stopped or given up. */
async function keepRunning(supervision: Supervision): Promise<void> {
  const { spec, options, stopping } = supervision;
  for (let crashes = 0; ; crashes += 1) {
    const startedAt = Date.now();
    const exit = await untilExit(supervision);
    if (stopping.signal.aborted) return;
    const said = supervision.run.failure();
    // It says no: asking again would bring the same answer.
    if (!supervision.wasReady && exit.code !== null)
      return giveUp(supervision, `could not start: ${said ?? `${describeExit(exit)}, see its lines above`}`);
    if (Date.now() - startedAt > STABLE_MS) crashes = 0;
    const why = said ?? `ended by itself (${describeExit(exit)})`;
    const delay = BACKOFF_MS[crashes] ?? (supervision.wasReady ? LONGEST_BACKOFF_MS : undefined);
    if (delay === undefined) return giveUp(supervision, `can't be kept running: ${why}`);
    options.onLine({ name: 'ragbase', text: `${spec.name}: ${why}; starting it again in ${delay} ms` });
    await sleep(delay, undefined, { signal: stopping.signal }).catch(() => undefined);
    if (stopping.signal.aborted) return;
    supervision.run = runChild(spec, options.onLine);
    options.onSpawn();
  }
}

/** One run of the process. */
async function untilExit(supervision: Supervision): Promise<Exit> {
  const { run, spec, options, first } = supervision;
  const over = new AbortController();
  const slow = setTimeout(() => {
    if (!supervision.wasReady)
      giveUp(supervision, `was not ready within ${FIRST_READY_MS / 1000} s: see its lines above`);
  }, FIRST_READY_MS);
  void untilReady(run, options.readyUrl, over.signal).then((isReady) => {
    if (!isReady) return;
    if (supervision.wasReady) options.onLine({ name: 'ragbase', text: `${spec.name} is up again` });
    supervision.wasReady = true;
    first.resolve();
  });
  const exit = await run.exited;
  clearTimeout(slow);
  over.abort();
  return exit;
}

function giveUp({ spec, first }: Supervision, reason: string): void {
  first.reject(new LaunchError(`${spec.name} ${reason}`));
}

const describeExit = ({ code, signal }: Exit): string => (signal ? `killed by ${signal}` : `exit status ${code}`);

/** False where the process ended first. */
async function untilReady(run: ChildRun, url: string | undefined, signal: AbortSignal): Promise<boolean> {
  if (url === undefined) {
    await run.reportedReady;
    return true;
  }
  while (!signal.aborted) {
    const status = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]) }).then(
      async (response) => {
        await response.body?.cancel();
        return response.status;
      },
      () => undefined,
    );
    if (status === 200) return true;
    await sleep(100);
  }
  return false;
}

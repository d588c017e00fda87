import { join, resolve } from 'node:path';
import type { OnLine } from './child-run.ts';
import { openDataFolder } from './data-folder.ts';
import { forgetRun, recordRun, waitForPorts } from './last-run.ts';
import { diskFull, LaunchError } from './launch-error.ts';
import { addresses, planStack, type StackPlan, stopTimeout, wantedPorts } from './stack-plan.ts';
import { type Services, stackSteps } from './stack-steps.ts';
import type { Supervised } from './supervise.ts';

/** A launcher that was told to end, and the next one, may overlap for a moment. */
const LOCK_WAIT_MS = 10_000;

export interface StackOptions {
  /** Folder of everything that is kept. */
  dataDir: string;
  /** Settings, as the environment of the processes. What is missing is made. */
  env: NodeJS.ProcessEnv;
  /** `free` for free ports in the place of PORT, INTERNAL_PORT and WORKER_PORT. */
  ports?: 'configured' | 'free';
  /** What the processes write, and what the launcher has to say. */
  onLine?: OnLine;
  /** How long to wait for another launcher to leave the data folder, in ms. */
  lockWaitMs?: number;
  /** Breaks off a start: what has been started is stopped, and the start rejects. */
  stopSignal?: AbortSignal;
  /** Ends every process at once. */
  killSignal?: AbortSignal;
  /** Other services than ragbase's own, for tests of the launcher itself. */
  services?: Services;
}

/** A running service. */
export interface Stack {
  /** Without a path: `http://127.0.0.1:3000`. */
  apiUrl: string;
  /** The first, where API_KEY holds several. */
  apiKey: string;
  metricsUrl: string;
  workerUrl: string;
  databaseUrl: string;
  /** As they are now: a crashed one comes back with another pid. */
  readonly processes: { name: string; pid: number | undefined }[];
  /** Stops worker, backend, Redis, Postgres, in this order. True if each ended by itself, with status 0. */
  stop(): Promise<boolean>;
}

/**
 * Starts Postgres and Redis (where no outside ones are set), the backend and the ai-worker, one after
 * the other, each when the one before is ready.
 * @throws LaunchError whose message says what to do; nothing is left running then.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const onLine = options.onLine ?? (() => undefined);
  const onNote = (text: string) => onLine({ name: 'ragbase', text });
  const dataDir = resolve(options.dataDir);
  const folder = await openDataFolder(dataDir, { onNote, waitMs: options.lockWaitMs ?? LOCK_WAIT_MS });
  const runFile = join(dataDir, 'last-run.json');
  const running: Supervised[] = [];
  const onSpawn = () => recordRun(runFile, running);
  const stop = once(async () => {
    let clean = true;
    for (const one of running.toReversed()) clean = (await one.stop()) && clean;
    await forgetRun(runFile);
    folder.release();
    return clean;
  });
  options.killSignal?.addEventListener('abort', () => running.forEach((one) => void one.kill()));

  try {
    const plan = await planStack({ dataDir, env: options.env, ports: options.ports ?? 'configured' });
    await waitForPorts(wantedPorts(plan), { file: runFile, waitMs: stopTimeout(plan), onNote });
    for (const step of stackSteps(plan, { dataDir, services: options.services, onLine, onSpawn })) {
      options.stopSignal?.throwIfAborted();
      const started = await step();
      if (!started) continue;
      running.push(started);
      onSpawn();
      await Promise.race([started.firstReady, aborted(options.stopSignal)]);
      onNote(`${started.name} is ready`);
    }
    return describe(plan, running, stop);
  } catch (error) {
    await stop();
    throw await orDiskFull(error, dataDir);
  }
}

/** Runs `work` at the first call; further ones get the same outcome. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let outcome: Promise<T> | undefined;
  return () => {
    outcome ??= work();
    return outcome;
  };
}

function describe(plan: StackPlan, running: readonly Supervised[], stop: () => Promise<boolean>): Stack {
  return {
    ...addresses(plan),
    apiKey: plan.backend.config.API_KEY[0] ?? '',
    databaseUrl: plan.backend.config.DATABASE_URL,
    get processes() {
      return running.map(({ name, pid }) => ({ name, pid }));
    },
    stop,
  };
}

/** A full disk shows itself in many ways, none of them clear; the line that says so instead. */
async function orDiskFull<E>(error: E, dataDir: string): Promise<E | LaunchError> {
  const full = await diskFull(dataDir, 1);
  return full ? new LaunchError(full) : error;
}

/** Rejects when the signal is aborted; never, without one. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { outliveReaders } from '../../src/platform/buffered-output.ts';
import type { OnLine } from './child-run.ts';
import { explain } from './launch-error.ts';
import { ROOT } from './root.ts';
import { type Stack, startStack } from './stack.ts';
import type { Services } from './stack-steps.ts';
import { printError } from './terminal.ts';

/** A Ctrl-C reaches the launcher from the terminal and again through npm: within this time they are one. */
const SAME_SIGNAL_MS = 1_000;

/** What a command that runs the service does with it. */
export interface Launch {
  env: NodeJS.ProcessEnv;
  onLine: OnLine;
  /** Called when everything is ready; says whether the service goes on running. A rejection ends it with status 1. */
  whenUp: (stack: Stack, signal: AbortSignal) => Promise<'stay' | 'end'>;
  /** As in `StackOptions`. */
  services?: Services;
}

/** The environment with what `.env` adds to it, and the data folder that it chooses. */
export function readEnvironment(): { env: NodeJS.ProcessEnv; dataDir: string } {
  const file = resolve(ROOT, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
  const env = { ...process.env };
  return { env, dataDir: resolve(ROOT, env['RAGBASE_DATA_DIR'] || '.ragbase') };
}

/**
 * Runs the service until SIGINT, SIGTERM or SIGHUP, and ends this process: with status 0 after a clean
 * end, 1 after a failure. A second signal ends everything at once.
 */
export async function launch(options: Launch & { dataDir: string }): Promise<never> {
  // What this process and those that it starts write is its owner's.
  process.umask(0o077);
  // `npm start | head` must not end the launcher before its processes.
  outliveReaders();
  const stopping = new AbortController();
  const killing = new AbortController();
  onSignals(stopping, killing);
  stopWithNpm(stopping);
  let failed = false;
  const fail = (error: unknown) => {
    failed = true;
    printError(explain(error, options.dataDir));
  };
  try {
    const stack = await startStack({
      dataDir: options.dataDir,
      env: options.env,
      onLine: options.onLine,
      ...(options.services && { services: options.services }),
      stopSignal: stopping.signal,
      killSignal: killing.signal,
    });
    await use(stack, options, stopping.signal).catch((error: unknown) => {
      if (!stopping.signal.aborted) fail(error);
    });
    if (!(await stack.stop())) failed = true;
  } catch (error) {
    if (!stopping.signal.aborted) fail(error);
  }
  process.exit(failed ? 1 : 0);
}

async function use(stack: Stack, { whenUp }: Launch, signal: AbortSignal): Promise<void> {
  const stopped = new Promise<'end'>((done) => signal.addEventListener('abort', () => done('end'), { once: true }));
  if (signal.aborted) return;
  const next = await Promise.race([whenUp(stack, signal), stopped]);
  if (next === 'stay') await stopped;
}

/** npm hands signals on to its shell alone, which may keep them; and a kill -9 of npm reaches nobody else. */
function stopWithNpm(stopping: AbortController): void {
  const npm = process.ppid;
  if (!process.env['npm_lifecycle_event']) return;
  setInterval(() => {
    if (process.ppid !== npm) stopping.abort();
  }, 500).unref();
}

function onSignals(stopping: AbortController, killing: AbortController): void {
  let firstAt: number | undefined;
  const onSignal = () => {
    firstAt ??= Date.now();
    stopping.abort();
    if (Date.now() - firstAt < SAME_SIGNAL_MS) return;
    killing.abort();
    process.exit(1);
  };
  // SIGHUP: the terminal was closed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Report } from './child-protocol.ts';

/** What is started: `node` with `args`. */
export interface ChildSpec {
  name: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/** A line that a process wrote, or that the launcher has to say. */
export interface Line {
  /** The process's name; `ragbase` for the launcher itself. */
  name: string;
  text: string;
}
export type OnLine = (line: Line) => void;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** One process, from its start to its end. */
export interface ChildRun {
  readonly pid: number | undefined;
  readonly exited: Promise<Exit>;
  /** Resolves when it reports that it is ready; never, where it does not report. */
  readonly reportedReady: Promise<void>;
  /** Why it could not go on, in its own words. */
  failure(): string | undefined;
  terminate(): void;
  /** Ends it and all that it started, at once. */
  kill(): void;
}

/**
 * Starts a process in a group of its own, so that a Ctrl-C at the terminal reaches the launcher alone,
 * which then ends everything in order; and with an IPC channel, whose end tells the process that the
 * launcher is gone, even by a kill -9.
 */
export function runChild(spec: ChildSpec, onLine: OnLine): ChildRun {
  const child = spawn(process.execPath, spec.args, {
    cwd: spec.cwd,
    env: spec.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', (text) => onLine({ name: spec.name, text }));
  }
  let failure: string | undefined;
  const ready = Promise.withResolvers<void>();
  child.on('message', (message) => {
    const report = message as Report;
    if (report.type === 'ready') ready.resolve();
    else if (report.type === 'note') onLine({ name: spec.name, text: report.message });
    else if (report.type === 'failed') failure = report.message;
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  return {
    pid: child.pid,
    exited,
    reportedReady: ready.promise,
    failure: () => failure,
    terminate: () => void child.kill('SIGTERM'),
    kill: () => killGroup(child),
  };
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  // After its end the number may be another group's.
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  process.kill(-pid, 'SIGKILL');
}

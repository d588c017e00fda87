import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A backend or an ai-worker of its own, beside those that a launcher keeps. */
export interface ServiceProcess {
  readonly pid: number;
  /** Each line that it wrote, read as JSON where it is. */
  lines: { level?: string; message?: string; reason?: string }[];
  /** Sends SIGTERM, or another signal, and waits for its end: the exit status, null where a signal ended it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface ServiceProcessOptions {
  entry: 'src/server.ts' | 'src/worker.ts';
  env: Record<string, string>;
  /** The checkout that it runs; this one by default. */
  root?: string;
}

/** Starts a process with no settings but those given. Ends with the tests, whatever becomes of them. */
export function startServiceProcess({ entry, env, root }: ServiceProcessOptions): ServiceProcess {
  const child = spawn(process.execPath, ['--import', './telemetry/register.ts', entry], {
    cwd: root ?? join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none', ...env },
  });
  const lines: ServiceProcess['lines'] = [];
  if (child.stdout) createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)));
  const exited = once(child, 'exit') as Promise<[number | null]>;
  return {
    pid: child.pid ?? 0,
    lines,
    end: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await exited)[0];
    },
  };
}

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ROOT } from '../local/root.ts';
import { parseAnswer } from './monitoring.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** The deployment, by the command line of Docker Compose. */
export interface Compose {
  /** What a command wrote on standard output. */
  output(...args: string[]): Promise<string>;
  /** What a port of a container answers, asked from inside it; with a body, to a POST of it as JSON. */
  ask(service: string, port: number, path: string, body?: unknown): Promise<unknown>;
}

/** Where a service does not listen on every address of its container. */
const LISTENS_ON: Record<string, string> = { prometheus: 'prometheus.monitoring' };

/** @param options.files as given to `-f`, one upon the other. */
export function openCompose({ envFile, files }: { envFile: string; files: readonly string[] }): Compose {
  const given = ['compose', '--env-file', envFile, ...files.flatMap((file) => ['-f', file])];
  const output = (...args: string[]) => docker(...given, ...args);
  return {
    output,
    ask: async (service, port, path, body) => {
      const posted = ['--header', 'Content-Type: application/json', '--post-data', JSON.stringify(body)];
      const url = `http://${LISTENS_ON[service] ?? '127.0.0.1'}:${port}${path}`;
      return parseAnswer(
        await output('exec', '-T', service, 'wget', '-qO-', ...(body === undefined ? [] : posted), url),
      );
    },
  };
}

/** Runs a command of Docker; without a shell, so that nothing is read into its arguments. */
export async function docker(...args: string[]): Promise<string> {
  return (await run('docker', args, { cwd: ROOT, timeout: TIMEOUT_MS, maxBuffer: 2 ** 26 })).stdout.trim();
}

/** The version of Docker's engine, or undefined where there is none or this user may not talk to it. */
export async function engineVersion(): Promise<string | undefined> {
  try {
    return await docker('version', '--format', '{{.Server.Version}}');
  } catch {
    return undefined;
  }
}

import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

/**
 * Below the range from which systems take ports for outgoing connections (Linux from 32768, macOS from
 * 49152): one found free stays so while its server restarts, even if a client keeps connecting to it.
 */
const RANGE = { from: 20_000, size: 12_000 };

/** Finds `count` different free ports of 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = RANGE.from + Math.floor(Math.random() * RANGE.size);
    if (await isPortFree(port, '127.0.0.1')) ports.add(port);
  }
  return [...ports];
}

/** Whether a server could listen there now. Other failures (no such address) are left to that server. */
export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

const run = promisify(execFile);

/** Which process listens on a port, as far as `lsof` or `ss` is there and may say so: `node (pid 123)`. */
export async function portHolder(port: number): Promise<string | undefined> {
  const lsof = await output('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc']);
  const byLsof = /^p(?<pid>\d+)\n(?:.*\n)*?c(?<name>.+)$/m.exec(lsof)?.groups;
  if (byLsof) return describe(byLsof);
  const ss = await output('ss', ['-Hltnp', `sport = :${port}`]);
  const bySs = /\(\("(?<name>[^"]+)",pid=(?<pid>\d+)/.exec(ss)?.groups;
  return bySs && describe(bySs);
}

/** Node names its main thread, and by that its process, MainThread. */
const describe = ({ name, pid }: Record<string, string>): string =>
  `${name === 'MainThread' ? 'node' : name} (pid ${pid})`;

async function output(command: string, args: string[]): Promise<string> {
  try {
    return (await run(command, args, { timeout: 2_000 })).stdout;
  } catch {
    return '';
  }
}

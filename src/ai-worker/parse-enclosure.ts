import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** What the system itself refuses a parser's process, beyond Node's permissions. */
export interface Enclosure {
  /** Programs that the process is started through, each the last one's argument; empty where there is none. */
  command: readonly string[];
  /** True where it has no network: in a namespace of its own, or by Node's permissions (25 and later). */
  withoutNetwork: boolean;
  /** True where it is the first of its own process namespace: then it is the child of the program started. */
  isInner: boolean;
}

/**
 * CPU seconds of a process's whole life, by the kernel: the parent's watch is far below it, but may be gone.
 * Must be above what a process that is still fit may use for its next document.
 */
export const LIFETIME_CPU_SECONDS = 300;

/** No core dump, which would hold a document, and no byte to any file. */
const LIMITS = ['prlimit', `--cpu=${LIFETIME_CPU_SECONDS}`, '--core=0', '--fsize=0'];
/** Where memory runs out, the kernel takes a parser rather than the worker. */
const EXPENDABLE = ['choom', '-n', '500', '--'];
/** Dies with its parent, and gains no rights by any program. */
const BOUND = ['setpriv', '--pdeathsig', 'KILL', '--no-new-privs'];
const NAMESPACES = ['unshare', '--user', '--net', '--ipc'];
/** The first process of a namespace reaches no other by a signal. */
const PROCESSES = ['--pid', '--fork', '--kill-child'];
/**
 * POSIX alone, for macOS and musl: a parser that loops outlives a killed parent, until its computing is used up.
 * A shell sets `PWD` and the like, and the process is to have no environment.
 */
const SHELL = ['/bin/sh', '-c', `ulimit -t ${LIFETIME_CPU_SECONDS}; ulimit -c 0; ulimit -f 0; exec env -i "$@"`, 'sh'];

/** Before, `--permission` does not cover the network. @see https://nodejs.org/api/permissions.html */
const nodeRefusesNetwork = Number.parseInt(process.versions.node, 10) >= 25;

const NODE_ALONE: Enclosure = { command: [], withoutNetwork: nodeRefusesNetwork, isInner: false };
const bound = [...LIMITS, ...EXPENDABLE, ...BOUND];
/** From the tightest on; the last is Node's permissions alone. */
export const ENCLOSURES: readonly Enclosure[] = [
  // Its number is looked up there; old kernels don't have it.
  ...(existsSync(childrenFile(process.pid))
    ? [{ command: [...bound, ...NAMESPACES, ...PROCESSES, '--'], withoutNetwork: true, isInner: true }]
    : []),
  { command: [...bound, ...NAMESPACES, '--'], withoutNetwork: true, isInner: false },
  { command: bound, withoutNetwork: nodeRefusesNetwork, isInner: false },
  { command: SHELL, withoutNetwork: nodeRefusesNetwork, isInner: false },
  NODE_ALONE,
];

/** The tightest that this machine lets an ordinary user have: containers and some distributions forbid namespaces. */
export async function findEnclosure(): Promise<Enclosure> {
  for (const enclosure of ENCLOSURES.slice(0, -1)) if (await isPossible(enclosure)) return enclosure;
  return NODE_ALONE;
}

export async function isPossible({ command }: Enclosure): Promise<boolean> {
  const [program = process.execPath, ...rest] = [...command, process.execPath, '-p', '"works"'];
  try {
    // As a parser's process: with no environment, so that programs are found where the system keeps them.
    const { stdout } = await promisify(execFile)(program, rest, { env: {}, timeout: 30_000 });
    return stdout === 'works\n';
  } catch {
    return false;
  }
}

/** The programs that it consists of, for the log. */
export function nameOf({ command }: Enclosure): string {
  return command.filter((word) => /^[a-z]+$/.test(word)).join(' ') || 'node';
}

/** Where Linux lists the children of a process's first thread. */
export function childrenFile(pid: number): string {
  return `/proc/${pid}/task/${pid}/children`;
}

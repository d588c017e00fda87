import { execFileSync } from 'node:child_process';

/** The parser processes below another process, by their numbers: not the programs that they were started through. */
export function parserProcesses(below = process.pid): number[] {
  const children = new Map<number, { pid: number; command: string }[]>();
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' }).split('\n')) {
    const [, pid, parent, state = '', command = ''] = /^ *(\d+) +(\d+) +(\S+) +(.*)$/.exec(line) ?? [];
    if (pid === undefined || state.startsWith('Z')) continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), { pid: Number(pid), command }]);
  }
  const walk = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [
      ...(child.command.startsWith(process.execPath) && child.command.includes('--permission') ? [child.pid] : []),
      ...walk(child.pid),
    ]);
  return walk(below);
}

/** False for a zombie too: who reaps orphans is the machine's business. */
export function isAlive(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z');
  } catch {
    return false;
  }
}

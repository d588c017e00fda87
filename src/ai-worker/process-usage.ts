import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** What a process takes. */
export interface Usage {
  /** Since its start, of all of its threads, in ms. */
  cpuMs: number;
  /** Resident memory. */
  rssBytes: number;
}

/** Ticks of a second in `/proc`: 100 on every architecture that Node runs on. @see proc_pid_stat(5) */
const MS_PER_TICK = 10;

/** @returns undefined where there is no such process any more. */
export async function usageOf(pid: number): Promise<Usage | undefined> {
  try {
    return process.platform === 'linux' ? usageByProc(pid) : await usageByPs(pid);
  } catch {
    return undefined;
  }
}

function usageByProc(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The program's name stands in brackets and may hold anything; time in user and system mode are 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK, rssBytes: Number(resident ?? 0) * 1024 };
}

/** As `usageOf`, wherever there is a POSIX `ps`. @throws where there is no such process. */
export async function usageByPs(pid: number): Promise<Usage> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'time=,rss=', '-p', String(pid)]);
  const [time = '', rss] = stdout.trim().split(/\s+/);
  // [days-][hours:]minutes:seconds[.hundredths]
  const [seconds = 0, minutes = 0, hours = 0, days = 0] = time.split(/[:-]/).reverse().map(Number);
  return { cpuMs: (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000, rssBytes: Number(rss) * 1024 };
}

import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { type Finding, fail, ok, warn } from './finding.ts';

const GB = 2 ** 30;
/** A machine sold as 8 GB shows less: the kernel's own is missing. */
const WANTED = { memory: 7.5 * GB, cores: 4 };
const FREE_DISK = { fail: 5 * GB, warn: 20 * GB };
const FREE_MEMORY = { fail: GB / 2, warn: GB };

/** Whether the machine is large enough, and has room left. */
export async function checkMachine(dataFolder: string): Promise<Finding[]> {
  const { bavail, bsize } = await statfs(dataFolder);
  const size = `${show(totalmem())} of memory, ${availableParallelism()} cores`;
  const isSmall = totalmem() < WANTED.memory || availableParallelism() < WANTED.cores;
  return [
    isSmall ? warn(size, `the limits of the compose file are made for 8 GB and ${WANTED.cores} cores`) : ok(size),
    room(`disk of ${dataFolder}`, bavail * bsize, FREE_DISK, 'a full disk stops Postgres: make room'),
    room('memory', freemem(), FREE_MEMORY, 'see what takes it: docker stats'),
  ];
}

function room(of: string, free: number, limits: { fail: number; warn: number }, todo: string): Finding {
  const what = `${of}: ${show(free)} free`;
  if (free < limits.fail) return fail(what, todo);
  return free < limits.warn ? warn(what, todo) : ok(what);
}

const show = (bytes: number): string => `${(bytes / GB).toFixed(1)} GB`;

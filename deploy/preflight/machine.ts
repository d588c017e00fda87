import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { type Finding, fail, ok, warn } from './finding.ts';

const GB = 2 ** 30;
/** A machine sold as 8 GB shows less: the kernel's own is missing. */
const WANTED = { memory: 7.5 * GB, cores: 4 };
const FREE_DISK = { fail: 5 * GB, warn: 20 * GB };
const FREE_MEMORY = { fail: GB / 2, warn: GB };
/** Shares of the entries that a file system has for files: without one left it is as full as without room. */
const FREE_FILES = { fail: 0.02, warn: 0.1 };

/** Whether the machine is large enough, and has memory left. */
export function checkSize(): Finding[] {
  const size = `${show(totalmem())} of memory, ${availableParallelism()} cores`;
  const isSmall = totalmem() < WANTED.memory || availableParallelism() < WANTED.cores;
  return [
    isSmall ? warn(size, `the limits of the compose file are made for 8 GB and ${WANTED.cores} cores`) : ok(size),
    judge(freemem(), FREE_MEMORY, (free) => `memory: ${show(free)} free`, 'see what takes it: docker stats'),
  ];
}

/** Whether the file system of a folder has room left. */
export async function checkDisk(folder: string): Promise<Finding[]> {
  const { bavail, bsize, files, ffree } = await statfs(folder);
  return judgeDisk(folder, { bytes: bavail * bsize, ...(files > 0 && { files: ffree / files }) });
}

/** @param free in bytes, and as a share of the files; some file systems do not count those. */
export function judgeDisk(folder: string, free: { bytes: number; files?: number }): Finding[] {
  const todo = 'a full disk stops Postgres: deploy/runbooks/postgres.md says how to make room';
  const room = judge(free.bytes, FREE_DISK, (left) => `disk of ${folder}: ${show(left)} free`, todo);
  const share = (left: number) => `disk of ${folder}: ${Math.floor(left * 100)} % of its files (inodes) free`;
  const entries = free.files === undefined ? [] : [judge(free.files, FREE_FILES, share, 'find what is many: df -i')];
  return [room, ...entries.filter(({ state }) => state !== 'ok')];
}

/** The folder, or the one above it that is there. */
export const existing = (folder: string): string => (existsSync(folder) ? folder : existing(dirname(folder)));

function judge(
  free: number,
  limits: { fail: number; warn: number },
  say: (free: number) => string,
  todo: string,
): Finding {
  if (free < limits.fail) return fail(say(free), todo);
  return free < limits.warn ? warn(say(free), todo) : ok(say(free));
}

const show = (bytes: number): string => `${(bytes / GB).toFixed(1)} GB`;

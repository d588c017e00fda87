import { glob, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Finding, ok, warn } from './finding.ts';

const DAY_MS = 86_400_000;

/** Whether the last backup is younger than a day. */
export async function checkBackups(folder: string): Promise<Finding[]> {
  const todo = 'deploy/backup.sh, daily by cron; then restore one on another machine';
  const files: { name: string; age: number }[] = [];
  for await (const path of glob(join(folder, 'ragbase-*.dump')))
    files.push({ name: basename(path), age: Date.now() - (await stat(path)).mtimeMs });
  const [newest] = files.toSorted((a, b) => a.age - b.age);
  if (!newest) return [warn(`there is no backup in ${folder}`, todo)];
  const what = `the last backup, ${newest.name}, is ${Math.round(newest.age / 3_600_000)} hours old`;
  return [newest.age < DAY_MS ? ok(what) : warn(what, todo)];
}

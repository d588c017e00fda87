import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { type Finding, fail, ok } from './finding.ts';

const run = promisify(execFile);

/** Settings by their names; none of them empty. */
export type EnvFile = Readonly<Record<string, string>>;

/** Reads the file as `docker compose --env-file` would. What is empty counts as missing. */
export async function readEnvFile(path: string): Promise<EnvFile> {
  const values = Object.entries(parseEnv(await readFile(path, 'utf8'))) as [string, string][];
  return Object.fromEntries(values.filter(([, value]) => value !== ''));
}

/** Whether nobody else can read the file, now or in the repository's history. */
export async function checkEnvFile(path: string): Promise<Finding[]> {
  const name = basename(path);
  const mode = (await stat(path)).mode & 0o777;
  const octal = mode.toString(8).padStart(3, '0');
  return [
    (mode & 0o077) === 0
      ? ok(`${name} is for its owner alone (${octal})`)
      : fail(`others may read ${name} (${octal})`, `chmod 600 ${path}`),
    (await mayBeCommitted(path))
      ? fail(`git does not ignore ${name}`, 'add it to .gitignore; if it was ever committed, make new secrets')
      : ok(`${name} can't be committed`),
  ];
}

/** git answers 0 for an ignored file, 1 for another, 128 where there is no repository. */
async function mayBeCommitted(path: string): Promise<boolean> {
  try {
    await run('git', ['check-ignore', '--quiet', basename(path)], { cwd: dirname(path) });
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === 1;
  }
}

import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../', import.meta.url));
const SEAL = fileURLToPath(new URL('./parse-seal.ts', import.meta.url));

export interface PermissionOptions {
  /** Memory that the process may hold, in MiB. */
  memoryMb: number;
  /** Whether it may load native code: only what draws pages for OCR does. */
  addons: boolean;
  /** What it runs. */
  modulePath: string;
}

/**
 * Node's options for a parser's process: reads code and nothing else, starts no thread (a thread has
 * permissions of its own), no program, no debugger, no SQLite (which opens files past the permissions).
 */
export function parserOptions({ memoryMb, addons, modulePath }: PermissionOptions): string[] {
  return [
    `--max-old-space-size=${Math.floor(memoryMb * 0.75)}`,
    `--import=${SEAL}`,
    '--permission',
    ...[...codeFolders(SOURCES), dirname(modulePath) + sep].map((path) => `--allow-fs-read=${path}`),
    ...(addons ? ['--allow-addons'] : []),
    '--no-experimental-sqlite',
    '--disable-sigusr1',
    '--disable-warning=SecurityWarning',
  ];
}

/**
 * Where code is read from: the sources, and each `node_modules` beside or above them, as in a workspace.
 * Not the project's own folder: `.env` and the data folder stand there. Real paths as well as those that
 * are asked for: Node resolves links before it reads a module.
 */
export function codeFolders(sources: string): string[] {
  const folders = [sources];
  for (let at = dirname(sources); ; at = dirname(at)) {
    folders.push(join(at, 'node_modules') + sep);
    if (at === dirname(at)) break;
  }
  const present = folders.filter((folder) => existsSync(folder));
  return [
    ...new Set(present.flatMap((folder) => [folder, realpathSync(folder) + sep])),
    join(dirname(sources), 'package.json'),
  ];
}

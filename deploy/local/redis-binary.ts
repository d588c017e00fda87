import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { LaunchError } from './launch-error.ts';

/** How to start a Redis: the program, and the name to start it by where that decides what it does. */
export interface RedisBinary {
  path: string;
  argv0: string;
}

/**
 * Where a server may be. Debian's redis-tools has it under another name (one program, which looks at
 * the name that it is started by), without the system service that redis-server would start.
 */
const CANDIDATES: readonly RedisBinary[] = [
  { path: 'redis-server', argv0: 'redis-server' },
  { path: 'valkey-server', argv0: 'valkey-server' },
  { path: 'redis-check-rdb', argv0: 'redis-server' },
  { path: 'valkey-check-rdb', argv0: 'valkey-server' },
];

const ADVICE = 'install redis-server (or valkey), or set REDIS_URL to a Redis that runs';

/**
 * Finds a Redis, or installs one: by apt-get as root or through sudo, by brew.
 * @param announce is told before anything is installed.
 * @throws LaunchError where there is none and no way to install one.
 */
export async function redisBinary(announce: (line: string) => void): Promise<RedisBinary> {
  const found = await findRedis();
  if (found) return found;
  const installer = await findInstaller();
  if (!installer) throw new LaunchError(`there is no Redis here, and no right to install one: ${ADVICE}`);
  for (const command of installer) {
    announce(`installing Redis: ${command.join(' ')}`);
    await install(command);
  }
  const installed = await findRedis();
  if (!installed) throw new LaunchError(`the installation brought no Redis that runs: ${ADVICE}`);
  return installed;
}

async function findRedis(): Promise<RedisBinary | undefined> {
  for (const candidate of CANDIDATES) {
    if (/^(Redis|Valkey) server v=/.test(await versionOf(candidate))) return candidate;
  }
  return undefined;
}

/** What the program says of itself; empty where there is none. */
async function versionOf({ path, argv0 }: RedisBinary): Promise<string> {
  const child = spawn(path, ['--version'], { argv0, stdio: ['ignore', 'pipe', 'ignore'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close').catch(() => undefined)]);
  return output;
}

/** The commands of this system's package manager, or undefined where it can't be used without asking. */
async function findInstaller(): Promise<string[][] | undefined> {
  if (process.platform === 'darwin')
    return (await succeeds('brew', ['--version'])) ? [['brew', 'install', 'redis']] : undefined;
  if (!(await succeeds('apt-get', ['--version']))) return undefined;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !(await succeeds('sudo', ['-n', 'true']))) return undefined;
  const asRoot = isRoot ? [] : ['sudo', '-n'];
  return [
    [...asRoot, 'apt-get', 'update', '-qq'],
    [...asRoot, 'apt-get', 'install', '-qq', '-y', '--no-install-recommends', 'redis-tools'],
  ];
}

const run = promisify(execFile);

const succeeds = (command: string, args: string[]): Promise<boolean> =>
  run(command, args).then(
    () => true,
    () => false,
  );

async function install([command = '', ...args]: string[]): Promise<void> {
  try {
    await run(command, args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 2 ** 26 });
  } catch (error) {
    const reason = String((error as { stderr?: unknown }).stderr ?? '')
      .trim()
      .split('\n')
      .at(-1);
    throw new LaunchError(`Redis could not be installed (${reason || 'the command failed'}): ${ADVICE}`);
  }
}

import { writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LaunchError } from './launch-error.ts';
import { isPortFree, portHolder } from './ports.ts';

/** A port that one of our processes will listen on, and the setting that chooses it. */
export interface WantedPort {
  setting: string;
  port: number;
  host: string;
}

const pidsSchema = z.array(z.int().positive());

/**
 * Waits for the ports of the services. They may be held by the processes of a launcher that was
 * killed: those see it and end by themselves, after what they have in hand.
 * @param file where the last run wrote its process ids; they only decide whether waiting is worth while.
 * @throws LaunchError that names the port, its holder and its setting.
 */
export async function waitForPorts(
  wanted: readonly WantedPort[],
  options: { file: string; waitMs: number; onNote: (line: string) => void },
): Promise<void> {
  const lastRun = await readPids(options.file);
  const deadline = Date.now() + options.waitMs;
  let told = false;
  for (const { setting, port, host } of wanted) {
    while (!(await isPortFree(port, host))) {
      if (Date.now() > deadline || !lastRun.some(isAlive)) throw await taken(setting, port);
      if (!told) options.onNote('waiting for processes of the last run to end');
      told = true;
      await sleep(100);
    }
  }
}

async function taken(setting: string, port: number): Promise<LaunchError> {
  const holder = await portHolder(port);
  return new LaunchError(
    `port ${port} is taken${holder ? ` by ${holder}` : ''}: stop what listens there, or set ${setting} to another port`,
  );
}

/** Writes down the processes of this run. */
export function recordRun(file: string, processes: readonly { pid: number | undefined }[]): void {
  const pids = processes.map(({ pid }) => pid).filter((pid) => pid !== undefined);
  writeFileSync(file, `${JSON.stringify(pids)}\n`);
}

/** Says that this run ended whole. */
export async function forgetRun(file: string): Promise<void> {
  await rm(file, { force: true });
}

async function readPids(file: string): Promise<number[]> {
  try {
    return pidsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

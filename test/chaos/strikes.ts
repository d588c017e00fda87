import { setTimeout } from 'node:timers/promises';
import type { Fault } from './faults.ts';
import { pick, type Random, shuffled } from './random.ts';

const PAUSE_MS = [1_000, 3_000, 6_000];
/** Of different things. */
const AT_A_TIME = 2;

/**
 * Strikes with one fault after the other, by turns over what they break, each once before any comes again, up to two
 * at a time, until `deadline`; what would last beyond it is left out.
 * @param onStrike told of each.
 * @returns how often each has struck, when all is mended.
 */
export async function strikeUntil(
  deadline: number,
  options: { faults: readonly Fault[]; random: Random; onStrike: (what: string) => void },
): Promise<Map<string, number>> {
  const { faults, random, onStrike } = options;
  const struck = new Map<string, number>();
  const endedAt = new Map<string, number>();
  const running = new Map<string, Promise<void>>();
  let waiting: Fault[] = [];
  for (;;) {
    await setTimeout(pick(random, PAUSE_MS));
    const leftMs = deadline - Date.now();
    if (leftMs <= 0) break;
    if (running.size >= AT_A_TIME) continue;
    if (waiting.length === 0) waiting = byTurns(random, faults);
    const fault = waiting.find(
      ({ name, target, restMs }) => !running.has(target) && Date.now() - (endedAt.get(name) ?? 0) >= restMs,
    );
    if (!fault) continue;
    waiting = waiting.filter((other) => other !== fault);
    const lasts = fault.lasts.filter((ms) => ms <= leftMs);
    if (lasts.length === 0) continue;
    const ms = pick(random, lasts);
    onStrike(ms > 0 ? `${fault.name} for ${ms / 1000} s` : fault.name);
    struck.set(fault.name, (struck.get(fault.name) ?? 0) + 1);
    const strike = fault.strike(ms).finally(() => {
      running.delete(fault.target);
      endedAt.set(fault.name, Date.now());
    });
    running.set(fault.target, strike);
  }
  await Promise.all(running.values());
  return struck;
}

/** In an order of chance: a fault of each target, then another of each, and so on. */
function byTurns(random: Random, faults: readonly Fault[]): Fault[] {
  const ofTargets = [...Map.groupBy(shuffled(random, faults), ({ target }) => target).values()];
  const turns = Math.max(...ofTargets.map(({ length }) => length));
  return Array.from({ length: turns }, (_, turn) => ofTargets.flatMap((ofTarget) => ofTarget[turn] ?? [])).flat();
}

import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until `condition` holds; an error in it counts as "not yet".
 * @throws Error when it does not hold after `giveUpMs`, with the last error as its cause.
 */
export async function until(condition: () => unknown, giveUpMs = 20_000): Promise<void> {
  const end = Date.now() + giveUpMs;
  for (let cause: unknown; ; await delay(10)) {
    try {
      if (await condition()) return;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > end) throw new Error(`never held: ${condition}`, { cause });
  }
}

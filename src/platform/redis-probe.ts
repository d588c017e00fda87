import type { RedisClient } from 'redis';
import { isReady, sendCommand } from './redis-command.ts';

/** What a connection must be able to do, tried on a key of its own. */
export interface RedisProbe {
  /** Within the patterns that the user may write to. */
  key: string;
  /** Lua that writes to KEYS[1], and leaves nothing that lasts. */
  script: string;
}

/** For connections that count: full, read-only and forbidden all refuse it. */
export const COUNT_PROBE = `return redis.call('SET', KEYS[1], '1', 'PX', 1000)`;

/**
 * Tries the probe.
 * @throws what Redis refuses it with; RedisTimeoutError without an answer after `timeoutMs`.
 */
export async function tryProbe(client: RedisClient, probe: RedisProbe, timeoutMs: number): Promise<void> {
  await sendCommand(client, ['EVAL', probe.script, '1', probe.key], { timeoutMs });
}

/** Whether Redis does what it is there for, within `timeoutMs`. Never rejects. */
export async function probeRedis(client: RedisClient, probe: RedisProbe, timeoutMs: number): Promise<boolean> {
  // Or each probe during an outage would be one more command that waits for its end.
  if (!isReady(client)) return false;
  return tryProbe(client, probe, timeoutMs).then(
    () => true,
    () => false,
  );
}

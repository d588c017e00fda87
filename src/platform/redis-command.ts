import type { RedisClient } from 'redis';
import { isWorthReconnecting } from './redis-words.ts';
import { withTimeout } from './timeout.ts';

/** No answer from Redis in time. The command may still take effect. */
export class RedisTimeoutError extends Error {
  override readonly name = 'RedisTimeoutError';
  readonly code = 'REDIS_TIMEOUT';
}

/**
 * Sends one command.
 * @throws RedisTimeoutError without an answer after `timeoutMs`; what node_redis throws otherwise.
 *   Beware: its errors carry the arguments.
 */
export function sendCommand(
  client: RedisClient,
  [command, ...args]: [string, ...string[]],
  { timeoutMs }: { timeoutMs: number },
): Promise<unknown> {
  return withTimeout(
    callRedis(client, command, args),
    timeoutMs,
    () => new RedisTimeoutError(`no answer to ${command}`),
  );
}

/** Sends one command and waits for as long as it takes. */
export function callRedis(client: RedisClient, command: string, args: readonly (string | number)[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.send_command(command, [...args], (error: Error | null, reply: unknown) => {
      if (error && isWorthReconnecting(error)) client.stream.destroy();
      if (error) reject(error);
      else resolve(reply);
    });
  });
}

/** Whether commands reach Redis now: connected, authenticated and answered. */
export function isReady(client: RedisClient): boolean {
  // Its types leave it out.
  return (client as RedisClient & { ready: boolean }).ready;
}

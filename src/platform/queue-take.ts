import { promisify } from 'node:util';
import type { RedisClient } from 'redis';
import type { Refusals } from './redis-refusals.ts';
import { isWorthReconnecting } from './redis-words.ts';

/** Longest that Redis says nothing for want of a job, in seconds. */
const TURN_SECONDS = 2;

/**
 * Makes a connection wait for jobs in turns. bee-queue asks Redis to hold its answer back for ever, and
 * nobody could tell a Redis without jobs from one that is gone.
 */
export function takeInTurns(client: RedisClient, refusals: Refusals): RedisClient {
  const ask = promisify(client.brpoplpush).bind(client);
  async function take(from: string, to: string): Promise<string> {
    for (;;) {
      const id = await refusals.note('take', () => ask(from, to, TURN_SECONDS));
      if (id !== null) return id;
    }
  }
  const brpoplpush = (from: string, to: string, _forEver: number, done: (error: unknown, id?: string) => void) => {
    take(from, to).then(
      (id) => done(null, id),
      (error: unknown) => {
        if (isWorthReconnecting(error)) client.stream.destroy();
        done(error);
      },
    );
  };
  return Object.assign(client, { brpoplpush });
}

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** A Lua script: Redis knows it by its hash, once it has seen its text. */
export interface Script {
  text: string;
  sha: string;
}

const require = createRequire(import.meta.url);

/** The scripts of bee-queue's own, from its package. Read when a queue is opened. */
export function readBeeScripts(): Map<string, Script> {
  const names = ['addJob', 'addDelayedJob', 'checkStalledJobs', 'raiseDelayedJobs', 'removeJob'];
  return new Map(
    names.map((name) => [name, script(readFileSync(require.resolve(`bee-queue/lib/lua/${name}.lua`), 'utf8'))]),
  );
}

/**
 * Drops ids from the active list whose job is gone (KEYS: active, jobs). bee-queue takes such an id
 * and lets it lie; the stall check puts it back on the queue, and so on without end. It comes about
 * when a stalled job finishes after all while it is waiting for its second run.
 */
export const DROP_GHOSTS = script(`
  local dropped = 0
  for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    if redis.call('HEXISTS', KEYS[2], id) == 0 then
      dropped = dropped + redis.call('LREM', KEYS[1], 0, id)
    end
  end
  return dropped`);

/**
 * What putting a job on a queue and taking it off need, done to a key that is gone afterwards (`RedisProbe`).
 * What needs memory comes first: after any other write a full Redis lets the rest of a script pass.
 */
export const QUEUE_PROBE = `
  redis.call('HEXISTS', KEYS[1], '1')
  redis.call('HSET', KEYS[1], '1', '')
  redis.call('HDEL', KEYS[1], '1')
  redis.call('LPUSH', KEYS[1], '1')
  redis.call('LREM', KEYS[1], 0, '1')`;

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

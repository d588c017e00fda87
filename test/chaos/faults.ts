import { setTimeout } from 'node:timers/promises';
import type { RedisServer } from '../support/redis-server.ts';
import type { Service } from '../support/service.ts';
import type { SeverableProxy } from '../support/severable-proxy.ts';
import { pick, type Random } from './random.ts';

/** What is there to be broken. */
export interface Surroundings {
  service: Service;
  redis: RedisServer;
  /** The way to Redis. */
  redisWay: SeverableProxy;
  /** The way to the collector. */
  collectorWay: SeverableProxy;
}

export interface Fault {
  name: string;
  /** Breaks something, and mends what does not mend itself. */
  strike(): Promise<void>;
}

/** Longer than a lease: whoever is frozen this long finds its work taken over. */
const FROZEN_MS = [1_000, 5_000, 18_000];
const CUT_MS = [500, 3_000, 12_000];

/** Every fault that a run may choose from. Supervision brings killed processes back, as it does in production. */
export function faultsOf({ service, redis, redisWay, collectorWay }: Surroundings, random: Random): Fault[] {
  const pidOf = (name: string) => service.stack.processes.find((process) => process.name === name)?.pid;
  const signal = (name: string, what: NodeJS.Signals) => {
    const pid = pidOf(name);
    if (pid !== undefined) process.kill(pid, what);
  };
  const processes = service.stack.processes.map(({ name }) => name);
  const kills = processes.map((name) => ({ name: `kill ${name}`, strike: async () => signal(name, 'SIGKILL') }));
  const freezes = processes.map((name) => ({
    name: `freeze ${name}`,
    strike: async () => {
      const pid = pidOf(name);
      if (pid === undefined) return;
      process.kill(pid, 'SIGSTOP');
      await setTimeout(pick(random, FROZEN_MS));
      process.kill(pid, 'SIGCONT');
    },
  }));
  const cut = (name: string, way: SeverableProxy): Fault => ({
    name: `cut ${name} off`,
    strike: async () => {
      way.cut();
      await setTimeout(pick(random, CUT_MS));
      way.mend();
    },
  });
  return [
    ...kills,
    ...freezes,
    cut('redis', redisWay),
    cut('collector', collectorWay),
    { name: 'wipe redis', strike: async () => void (await redis.command('FLUSHALL')) },
    {
      name: 'kill redis, data kept',
      strike: async () => {
        await redis.kill();
        await redis.start({ data: 'keep' });
      },
    },
    {
      name: 'kill redis, data lost',
      strike: async () => {
        await redis.kill();
        await setTimeout(pick(random, CUT_MS));
        await redis.start({ data: 'discard' });
      },
    },
    {
      name: 'freeze redis',
      strike: async () => {
        redis.freeze();
        await setTimeout(pick(random, FROZEN_MS));
        redis.thaw();
      },
    },
  ];
}

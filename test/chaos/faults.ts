import { setTimeout } from 'node:timers/promises';
import type { SeverableProxy } from '../support/severable-proxy.ts';
import { MOODS } from './provider.ts';
import type { Surroundings } from './surroundings.ts';

export interface Fault {
  name: string;
  /** What it breaks: nothing is broken twice at a time. */
  target: string;
  /** How long it may last, in ms. */
  lasts: readonly number[];
  /** How long its victims must have been left alone by it, in ms. */
  restMs: number;
  /** Breaks something for so long, and mends what does not mend itself. */
  strike(ms: number): Promise<void>;
}

const AT_ONCE = [0];
/** The longest is more than two leases: whoever is frozen or cut off so long finds its work taken over. */
const PAUSES = [1_000, 5_000, 18_000, 35_000];
const SHORT = [500, 3_000, 12_000];
const PROVIDER = [3_000, 10_000, 25_000];

/** What was killed again and again within half a minute would be given up by its supervisor, and rightly. */
const REST_MS = 31_000;
/** A document may have three tries, and a crash of its worker costs one: of the longest documents, two at most. */
const WORKER_REST_MS = 150_000;

/** Every fault that a run may choose from. Supervision brings killed processes back, as it does in production. */
export function faultsOf(surroundings: Surroundings): Fault[] {
  const { ways, database } = surroundings;
  const processes = surroundings.service.stack.processes.map(({ name }) => name);
  const pidOf = (name: string) =>
    surroundings.service.stack.processes.find((process) => process.name === name)?.pid ?? 0;
  const embedded = database.pid;
  return [
    ...processes.flatMap((name) => ofProcess(name, () => pidOf(name))),
    ...(embedded ? ofProcess('postgres', () => embedded() ?? 0).filter(({ name }) => name !== 'restart postgres') : []),
    ...ofDatabase(database),
    ...ofRedis(surroundings),
    ...ofProvider(surroundings),
    ...ofWay('backend', ways.backend),
    ...ofWay('collector', ways.collector),
  ];
}

function ofProcess(name: string, pid: () => number): Fault[] {
  const signal = (what: NodeJS.Signals) => {
    // 0 would be this process's own group.
    if (pid() === 0) return;
    try {
      process.kill(pid(), what);
    } catch {
      // Gone by itself, and being started again.
    }
  };
  const restMs = name === 'worker' ? WORKER_REST_MS : REST_MS;
  const freeze = async (ms: number) => {
    signal('SIGSTOP');
    await setTimeout(ms);
    signal('SIGCONT');
  };
  return [
    { name: `kill ${name}`, target: name, lasts: AT_ONCE, restMs, strike: async () => signal('SIGKILL') },
    { name: `restart ${name}`, target: name, lasts: AT_ONCE, restMs: REST_MS, strike: async () => signal('SIGTERM') },
    { name: `freeze ${name}`, target: name, lasts: PAUSES, restMs: 0, strike: freeze },
  ];
}

/** Reset, silent for a while, and silent for good as after a host that vanished. */
function ofWay(name: string, way: SeverableProxy): Fault[] {
  const during = (begin: () => void) => async (ms: number) => {
    begin();
    await setTimeout(ms);
    way.mend();
  };
  const target = `way to ${name}`;
  return [
    { name: `cut ${name} off`, target, lasts: SHORT, restMs: 0, strike: during(way.cut) },
    { name: `hold the way to ${name}`, target, lasts: PAUSES, restMs: 0, strike: during(way.hold) },
    { name: `lose connections to ${name}`, target, lasts: SHORT, restMs: 0, strike: during(way.lose) },
  ];
}

function ofDatabase({ way, failOver }: Surroundings['database']): Fault[] {
  const faults = ofWay('database', way);
  // The embedded one serves one connection at a time: with one that is lost there is none.
  if (!failOver) return faults.filter(({ name }) => !name.startsWith('lose'));
  return [
    ...faults,
    { name: 'fail the database over', target: 'database', lasts: [500, 5_000, 20_000], restMs: 0, strike: failOver },
  ];
}

function ofRedis({ redis, ways }: Surroundings): Fault[] {
  const target = 'redis';
  const restart = (data: 'keep' | 'discard') => async (ms: number) => {
    await redis.kill();
    await setTimeout(ms);
    await redis.start({ data });
  };
  const freeze = async (ms: number) => {
    redis.freeze();
    await setTimeout(ms);
    redis.thaw();
  };
  const refuse = async (ms: number) => {
    const accept = await redis.refuse();
    ways.redis.cut();
    ways.redis.mend();
    await setTimeout(ms);
    await accept();
  };
  return [
    ...ofWay('redis', ways.redis).map((fault) => ({ ...fault, target })),
    {
      name: 'wipe redis',
      target,
      lasts: AT_ONCE,
      restMs: 0,
      strike: async () => void (await redis.command('FLUSHALL')),
    },
    { name: 'kill redis, data kept', target, lasts: SHORT, restMs: 0, strike: restart('keep') },
    { name: 'kill redis, data lost', target, lasts: SHORT, restMs: 0, strike: restart('discard') },
    { name: 'freeze redis', target, lasts: PAUSES, restMs: 0, strike: freeze },
    { name: 'refuse redis passwords', target, lasts: SHORT, restMs: 0, strike: refuse },
  ];
}

function ofProvider({ provider, ways }: Surroundings): Fault[] {
  const target = 'provider';
  const moods = MOODS.filter((mood) => mood !== 'well').map((mood) => ({
    name: `provider ${mood}`,
    target,
    lasts: PROVIDER,
    restMs: 0,
    strike: async (ms: number) => {
      provider.mood = mood;
      await setTimeout(ms);
      provider.mood = 'well';
    },
  }));
  return [...moods, ...ofWay('provider', ways.provider).map((fault) => ({ ...fault, target }))];
}

import type { Lifecycle } from '../platform/lifecycle.ts';
import { withTimeout } from '../platform/timeout.ts';

/** Answers whether one thing that the process depends on is there; may reject, may hang. */
export type Probe = () => Promise<boolean>;

export interface ReadinessOptions<Name extends string> {
  probes: Record<Name, Probe>;
  /** Without these nothing can be served; without another, the process is degraded. */
  vital: readonly NoInfer<Name>[];
  lifecycle: Pick<Lifecycle, 'ready'>;
  /** What the process can do without for a while, by name: shown, and no reason to send nobody here. */
  dependencies: Record<string, Probe>;
  /** False where the process can serve nobody until a person has changed its configuration. True by default. */
  fits?: () => boolean;
  /** A probe that takes longer has failed, in ms. */
  timeoutMs: number;
  /** How long an answer is given again without asking, in ms. */
  cacheMs: number;
  version: string;
}

export interface Readiness {
  ready: boolean;
  body: {
    status: 'ok' | 'degraded' | 'error';
    checks: Record<string, boolean>;
    dependencies: Record<string, boolean>;
    version: string;
    uptime: number;
  };
}

/**
 * Tells whether the process can serve. However many ask, each probe runs once in `cacheMs`.
 * @returns a function that never rejects.
 */
export function createReadiness<Name extends string>(options: ReadinessOptions<Name>): () => Promise<Readiness> {
  let checked: Promise<[Record<Name, boolean>, Record<string, boolean>]> | undefined;
  let checkedAt = Number.NEGATIVE_INFINITY;
  const probes = oneAtATime(options.probes);
  const dependencies = oneAtATime(options.dependencies);
  return async () => {
    if (checked === undefined || performance.now() - checkedAt > options.cacheMs) {
      checkedAt = performance.now();
      const { timeoutMs } = options;
      checked = Promise.all([runProbes(probes, timeoutMs), runProbes(dependencies, timeoutMs)]);
    }
    const [checks, dependenciesUp] = await checked;
    const isUp = options.lifecycle.ready && (options.fits?.() ?? true);
    const allUp = Object.values(checks).every(Boolean);
    const isWhole = allUp && Object.values(dependenciesUp).every(Boolean);
    const vitalUp = options.vital.every((name) => checks[name]);
    return {
      ready: isUp && allUp,
      body: {
        status: !isUp || !vitalUp ? 'error' : isWhole ? 'ok' : 'degraded',
        checks,
        dependencies: dependenciesUp,
        version: options.version,
        uptime: Math.round(process.uptime()),
      },
    };
  };
}

/** Each probe, asked again only after its last answer: one that hangs holds one connection, however often it is asked. */
function oneAtATime<Name extends string>(probes: Record<Name, Probe>): Record<Name, Probe> {
  const shared = (probe: Probe): Probe => {
    let pending: Promise<boolean> | undefined;
    return () => {
      pending ??= probe().finally(() => {
        pending = undefined;
      });
      return pending;
    };
  };
  const entries = Object.entries<Probe>(probes).map(([name, probe]) => [name, shared(probe)]);
  return Object.fromEntries(entries) as Record<Name, Probe>;
}

async function runProbes<Name extends string>(
  probes: Record<Name, Probe>,
  timeoutMs: number,
): Promise<Record<Name, boolean>> {
  const names = Object.keys(probes) as Name[];
  const results = await Promise.all(names.map((name) => bounded(probes[name], timeoutMs)));
  return Object.fromEntries(names.map((name, index) => [name, results[index] ?? false])) as Record<Name, boolean>;
}

async function bounded(probe: Probe, timeoutMs: number): Promise<boolean> {
  try {
    return await withTimeout(probe(), timeoutMs, () => new Error('no answer in time'));
  } catch {
    return false;
  }
}

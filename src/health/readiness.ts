import type { Lifecycle } from '../platform/lifecycle.ts';
import { withTimeout } from '../platform/timeout.ts';

/** Answers whether one thing that the process depends on is there; may reject, may hang. */
export type Probe = () => Promise<boolean>;

export interface ReadinessOptions<Name extends string> {
  probes: Record<Name, Probe>;
  /** Without these nothing can be served; without another, the process is degraded. */
  vital: readonly NoInfer<Name>[];
  lifecycle: Pick<Lifecycle, 'ready'>;
  /** A probe that takes longer has failed, in ms. */
  timeoutMs: number;
  /** How long an answer is given again without asking, in ms. */
  cacheMs: number;
  version: string;
}

export interface Readiness {
  ready: boolean;
  body: { status: 'ok' | 'degraded' | 'error'; checks: Record<string, boolean>; version: string; uptime: number };
}

/**
 * Tells whether the process can serve. However many ask, each probe runs once in `cacheMs`.
 * @returns a function that never rejects.
 */
export function createReadiness<Name extends string>(options: ReadinessOptions<Name>): () => Promise<Readiness> {
  let checked: Promise<Record<Name, boolean>> | undefined;
  let checkedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (checked === undefined || performance.now() - checkedAt > options.cacheMs) {
      checkedAt = performance.now();
      checked = runProbes(options);
    }
    const checks = await checked;
    const isUp = options.lifecycle.ready;
    const allUp = Object.values(checks).every(Boolean);
    const vitalUp = options.vital.every((name) => checks[name]);
    return {
      ready: isUp && allUp,
      body: {
        status: !isUp || !vitalUp ? 'error' : allUp ? 'ok' : 'degraded',
        checks,
        version: options.version,
        uptime: Math.round(process.uptime()),
      },
    };
  };
}

async function runProbes<Name extends string>(options: ReadinessOptions<Name>): Promise<Record<Name, boolean>> {
  const names = Object.keys(options.probes) as Name[];
  const results = await Promise.all(names.map((name) => bounded(options.probes[name], options.timeoutMs)));
  return Object.fromEntries(names.map((name, index) => [name, results[index] ?? false])) as Record<Name, boolean>;
}

async function bounded(probe: Probe, timeoutMs: number): Promise<boolean> {
  try {
    return await withTimeout(probe(), timeoutMs, () => new Error('no answer in time'));
  } catch {
    return false;
  }
}

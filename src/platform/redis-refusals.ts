import type { BurstLog } from './burst-log.ts';

/** What Redis refuses at present, of several things that are tried again and again. */
export interface Refusals {
  /** Ends a burst only when nothing is refused any more: the success of one says nothing of another. */
  log: BurstLog;
  any(): boolean;
  /** Does the work, and keeps in mind whether Redis refused it the last time. */
  note<T>(what: string, work: () => Promise<T>): Promise<T>;
}

/** Keeps account of refusals: answers that say no. A connection that is lost is none. */
export function trackRefusals(log: BurstLog): Refusals {
  const refused = new Set<string>();
  const any = () => refused.size > 0;
  return {
    log: { failed: log.failed, recovered: () => void (any() || log.recovered()) },
    any,
    async note(what, work) {
      try {
        const result = await work();
        refused.delete(what);
        return result;
      } catch (error) {
        if (error instanceof Error && error.name === 'ReplyError') refused.add(what);
        throw error;
      }
    },
  };
}

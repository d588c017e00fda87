/** What one check found. */
export interface Finding {
  state: 'ok' | 'warn' | 'FAIL' | 'skipped';
  what: string;
  /** What to do about it. */
  todo?: string;
}

export const ok = (what: string): Finding => ({ state: 'ok', what });
export const warn = (what: string, todo: string): Finding => ({ state: 'warn', what, todo });
export const fail = (what: string, todo: string): Finding => ({ state: 'FAIL', what, todo });
export const skipped = (what: string): Finding => ({ state: 'skipped', what });

/** `ok` where there are no faults, else a failure for each of them. */
export const unless = (faults: readonly string[], what: string, todo: string): Finding[] =>
  faults.length === 0 ? [ok(what)] : faults.map((fault) => fail(fault, todo));

/** What `work` finds; if it can't be told, that is a failure too. */
export async function attempt(what: string, todo: string, work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    return [fail(`${what}: ${reason(error)}`, todo)];
  }
}

/** Of `fetch` the cause, of a command what it wrote last: their own messages say little. */
function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { stderr } = thrown as { stderr?: string };
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  return (stderr?.trim().split('\n').at(-1) || cause.message || cause.name).slice(0, 300);
}

import { print, styled } from '../local/terminal.ts';
import type { Finding } from './finding.ts';

const STYLES = { ok: 'green', warn: 'yellow', FAIL: 'red', skipped: 'gray' } as const;
const WIDTH = 7;

/** Writes what a part of the checks found, and what to do about it. */
export function printFindings(title: string, findings: readonly Finding[]): void {
  print(`\n${styled('bold', title)}`);
  for (const { state, what, todo } of findings) {
    print(`  ${styled(STYLES[state], state.padEnd(WIDTH))} ${what}`);
    if (todo !== undefined) print(`  ${' '.repeat(WIDTH)} → ${todo}`);
  }
}

/** Writes the last line. @returns whether nothing failed. */
export function printSum(findings: readonly Finding[]): boolean {
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length;
  print(`\n${count('ok')} ok, ${count('warn')} to look at, ${count('FAIL')} failed, ${count('skipped')} skipped`);
  return count('FAIL') === 0;
}

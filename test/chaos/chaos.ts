/**
 * Uploads documents at a steady rate, some of which take minutes, while processes, Redis, Postgres, the embedding
 * provider and the ways between them are killed, frozen, wiped, cut off and overloaded, and then takes account: every
 * accepted document must have completed, and nothing may be there twice.
 *   npm run chaos -- --minutes 10 --seed 7
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Account, isClean, takeAccount } from './account.ts';
import { faultsOf } from './faults.ts';
import { seededRandom } from './random.ts';
import { strikeUntil } from './strikes.ts';
import { openSurroundings } from './surroundings.ts';
import { uploadSteadily } from './uploads.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    rate: { type: 'string', default: '2' },
    /** Where every line of the processes is written to. */
    log: { type: 'string' },
  },
});
const say = (text: string) => process.stdout.write(`${text}\n`);

const PATIENCE_MS = 8 * 60_000;
/** Of embedding, in s, when nothing disturbs it: half the run, at most three minutes. */
const longSeconds = Math.min(180, 30 * Number(values.minutes));

async function main(): Promise<boolean> {
  await using closers = new AsyncDisposableStack();
  say(`seed ${values.seed}, ${values.minutes} min, ${values.rate} documents/s, long ones of ${longSeconds} s`);
  const surroundings = await openSurroundings(closers);
  const { service } = surroundings;
  const end = new AbortController();
  const uploads = uploadSteadily(service, {
    random: seededRandom(Number(values.seed) + 1),
    perSecond: Number(values.rate),
    longSeconds,
    signal: end.signal,
  });
  const started = Date.now();
  const struck = await strikeUntil(started + Number(values.minutes) * 60_000, {
    faults: faultsOf(surroundings),
    random: seededRandom(Number(values.seed)),
    onStrike: (what) => say(`  ${Math.round((Date.now() - started) / 1000)} s: ${what}`),
  });
  end.abort();
  const { accepted, refused } = await uploads;
  say('no more faults; taking account');
  const asked = Date.now();
  const account = await takeAccount(service, accepted, PATIENCE_MS);
  say(`all settled and looked at after ${Math.round((Date.now() - asked) / 1000)} s`);
  report(account, refused, struck);
  if (values.log !== undefined) await writeFile(values.log, service.lines.join('\n'));
  return isClean(account) && account.accepted > 0;
}

function report(account: Account, refused: number, struck: ReadonlyMap<string, number>): void {
  const faults = [...struck.values()].reduce((sum, count) => sum + count, 0);
  say(`faults ${faults}: ${[...struck].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  say(`uploads turned away or not answered ${refused}`);
  const { failed, lost, stuck, duplicated, unfindable, crashes, attempts } = account;
  for (const line of crashes) say(`crash: ${line}`);
  for (const [what, found] of Object.entries({ failed, lost, stuck, duplicated, unfindable }))
    for (const which of found) say(`${what}: ${which}`);
  const byAttempts = [...attempts].sort(([a], [b]) => a - b).map(([used, count]) => `${count} on ${used}`);
  say(`attempts: ${byAttempts.join(', ')}; most ${Math.max(0, ...attempts.keys())}`);
  say(
    `accepted ${account.accepted} = completed ${account.completed} + failed ${failed.length} + lost ${lost.length} + ` +
      `stuck ${stuck.length}; duplicated ${duplicated.length}, unfindable ${unfindable.length}; crashes ${crashes.length}`,
  );
}

process.exitCode = (await main()) ? 0 : 1;

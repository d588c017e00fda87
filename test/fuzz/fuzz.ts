/** Runs schemathesis against a whole service until enough requests were generated. `test/fuzz/run` calls it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Service, startService } from '../support/service.ts';

const REQUESTS = Number(process.env['REQUESTS'] ?? 20_000);
const EXAMPLES = Number(process.env['EXAMPLES'] ?? 400);
/** Of the first run; the next takes the next. */
const SEED = Number(process.env['SEED'] ?? 1);

/**
 * Checks that can't hold here: a cursor or a file may fit its schema and be none of ours all the same
 * (positive_data_acceptance), and after some wrong keys everything is refused for a while (ignored_auth).
 */
const NOT_CHECKED = 'positive_data_acceptance,ignored_auth';

const program = resolve(process.argv[2] ?? 'st');
// It keeps notes where it runs.
const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
const service = await startService();
let generated = 0;
let failed = false;
try {
  for (let run = 1; generated < REQUESTS && !failed; run += 1) {
    const { count, output, status } = await fuzz(service, SEED + run - 1);
    generated += count;
    failed = status !== 0 || count === 0;
    process.stdout.write(
      `run ${run}: ${count} requests, ${generated} in total${failed ? `, ended with ${status}` : ''}\n`,
    );
    if (failed) process.stdout.write(output);
  }
  const answers = await answersByStatus(service);
  process.stdout.write(`answers: ${[...answers].map(([status, count]) => `${status}: ${count}`).join(', ')}\n`);
  const serverErrors = [...answers].filter(([status]) => status.startsWith('5')).length;
  if (serverErrors > 0) failed = true;
  process.stdout.write(`${generated} generated requests, ${serverErrors === 0 ? 'no' : 'some'} 5xx\n`);
} finally {
  await service.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

async function fuzz(
  { stack }: Service,
  seed: number,
): Promise<{ count: number; output: string; status: number | string }> {
  const args = [
    ...['run', `${stack.apiUrl}/openapi.json`, '--header', `X-API-Key: ${stack.apiKey}`],
    ...['--checks', 'all', '--exclude-checks', NOT_CHECKED, '--max-examples', String(EXAMPLES)],
    ...['--seed', String(seed), '--workers', '1', '--request-timeout', '30', '--no-color'],
  ];
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [status, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const count = Number(/(\d[\d,]*) generated/.exec(output)?.[1]?.replaceAll(',', '') ?? 0);
  return { count, output, status: signal === null ? Number(status) : String(signal) };
}

/** What the backend itself counted. */
async function answersByStatus({ stack }: Service): Promise<Map<string, number>> {
  const series = await (await fetch(stack.metricsUrl)).text();
  const counts = new Map<string, number>();
  for (const [, path, status = '', count] of series.matchAll(
    /^http_requests_total\{.*path="([^"]*)",status="(\d+)".*\} (\d+)/gm,
  ))
    if (path !== '/ready') counts.set(status, (counts.get(status) ?? 0) + Number(count));
  return counts;
}

/** `npm run demo`: the whole way of a few documents, from an upload to an answer. `-- --exit` ends the service afterwards. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DemoClient, demoClient } from './demo-client.ts';
import { printSearch, printTrace } from './demo-report.ts';
import { type DemoOutcome, libraryNames, untilOutcome, uploadLibrary } from './demo-upload.ts';
import { launch, readEnvironment } from './launch.ts';
import { LaunchError } from './launch-error.ts';
import type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.ts';
import { printAddresses } from './print-addresses.ts';
import { receiveTraces } from './receive-traces.ts';
import { ROOT } from './root.ts';
import { isInteractive, print, printLine, styled } from './terminal.ts';
import { isWhole } from './trace-tree.ts';

const LIBRARY = resolve(ROOT, 'test/fixtures/library');
const SEARCHES = [
  'what did the lamp burn before it was electric',
  'how shallow has the channel become',
  'is the water at the station safe to drink',
];
/** Beyond it something is stuck: the slowest document takes seconds. */
const LIMIT_MS = 600_000;
const SPANS_WAIT_MS = 15_000;

const { env, dataDir } = readEnvironment();
const ends = process.argv.includes('--exit');
const receiver = await receiveTraces(env, { keep: 20_000 });
// The demo itself says what fails.
env['LOG_LEVEL'] ||= 'error';

print(styled('bold', 'Starting ragbase: Postgres, Redis, the backend and the ai-worker ...'));
await launch({
  env,
  dataDir,
  onLine: (line) => {
    if (isInteractive()) process.stdout.write('\r\x1b[K');
    printLine(line);
  },
  whenUp: async (stack, stopSignal) => {
    const signal = AbortSignal.any([stopSignal, AbortSignal.timeout(LIMIT_MS)]);
    const client = demoClient({ url: stack.apiUrl, apiKey: stack.apiKey, signal });
    print(`\n${styled('bold', 'Uploading the documents of test/fixtures/library')}`);
    const names = await libraryNames(LIBRARY, { ocr: env['OCR_ENABLED'] === 'true' });
    const outcomes = await uploadLibrary(LIBRARY, names, client);
    for (const query of SEARCHES) printSearch(query, await client.search(query, 3));
    await showTrace(outcomes, client);
    const failed = outcomes.filter(({ status }) => status !== 'completed');
    for (const { document, reason } of failed) print(`${styled('red', 'failed')} ${document.name}: ${reason}`);
    if (ends && failed.length > 0)
      throw new LaunchError(`${failed.length} of ${outcomes.length} documents failed, see above`);
    if (ends) return 'end';
    print(`\n${styled(['bold', 'green'], 'ragbase goes on running.')} Ctrl-C stops it.\n`);
    printAddresses(stack, { dataDir, env });
    return 'stay';
  },
});

/** The trace of one document, from its upload to its last chunk: a PDF's, as it takes the longest way. */
async function showTrace(outcomes: readonly DemoOutcome[], client: DemoClient): Promise<void> {
  const completed = outcomes.filter(({ status }) => status === 'completed').map(({ document }) => document);
  const fresh = completed.filter(({ duplicate }) => !duplicate);
  const candidates = fresh.length > 0 ? fresh : completed;
  const choice = candidates.find(({ format }) => format === 'pdf') ?? candidates[0];
  if (!choice) return;
  // All were there already: one goes its way again, in the same trace.
  if (choice.duplicate) await untilOutcome(await client.reprocess(choice.id), client);
  const { traceId, name } = choice;
  if (!traceId || /^0+$/.test(traceId)) return print(`\n${name} was not traced: tracing is switched off`);
  print(`\n${styled('bold', `Trace of ${name}`)} ${styled('gray', traceId)}`);
  if (receiver) printTrace(await arrivedSpans(receiver, traceId));
  else print('  sent where the OTEL_* settings say');
}

async function arrivedSpans(from: OtlpReceiver, traceId: string): Promise<ReceivedSpan[]> {
  const deadline = Date.now() + SPANS_WAIT_MS;
  for (;;) {
    const spans = from.spans(traceId);
    const services = new Set(spans.map(({ service }) => service));
    if (services.size >= 2 && isWhole(spans)) return spans;
    if (Date.now() > deadline) return spans;
    await sleep(100);
  }
}

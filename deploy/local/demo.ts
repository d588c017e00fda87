/** `npm run demo`: the whole way of a few documents, from an upload to an answer. `-- --exit` ends the service afterwards. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DemoClient, type DemoDocument, demoClient } from './demo-client.ts';
import { printSearch, printTrace } from './demo-report.ts';
import { type DemoOutcome, untilOutcome, uploadLibrary } from './demo-upload.ts';
import { launch, readEnvironment } from './launch.ts';
import { LaunchError } from './launch-error.ts';
import { type OtlpReceiver, openOtlpReceiver } from './otlp-receiver.ts';
import { printAddresses } from './print-addresses.ts';
import { ROOT } from './root.ts';
import { isInteractive, print, printLine, styled } from './terminal.ts';
import { isWhole } from './trace-tree.ts';

const LIBRARY = resolve(ROOT, 'test/fixtures/library');
const SEARCHES = ['why are there two high tides a day', 'how do bees find flowers', 'when was the lighthouse built'];
/** Beyond it something is stuck: the slowest document takes seconds. */
const LIMIT_MS = 600_000;
const SPANS_WAIT_MS = 15_000;

const { env, dataDir } = readEnvironment();
const ends = process.argv.includes('--exit');
const receiver =
  env['OTEL_EXPORTER_OTLP_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
    ? undefined
    : await openOtlpReceiver();
if (receiver) {
  env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.endpoint;
  env['OTEL_EXPORTER_OTLP_PROTOCOL'] = 'http/json';
  env['OTEL_BSP_SCHEDULE_DELAY'] = '200';
}
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
    const outcomes = await uploadLibrary(LIBRARY, client);
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
  const choice = fresh.find(({ format }) => format === 'pdf') ?? fresh[0] ?? completed[0];
  if (!choice) return;
  // All were there already: one goes its way again, in the same trace.
  if (choice.duplicate) await untilOutcome(await client.reprocess(choice.id), client);
  const { traceId, name } = choice;
  if (!traceId) return print(`\n${name} was not traced: tracing is switched off`);
  print(`\n${styled('bold', `Trace of ${name}`)} ${styled('gray', traceId)}`);
  if (receiver) printTrace(await arrivedSpans(receiver, choice, traceId));
  else print('  sent to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names');
}

async function arrivedSpans(from: OtlpReceiver, { name }: DemoDocument, traceId: string) {
  const deadline = Date.now() + SPANS_WAIT_MS;
  for (;;) {
    const spans = from.spans(traceId);
    const services = new Set(spans.map(({ service }) => service));
    if (services.size >= 2 && isWhole(spans)) return spans;
    if (Date.now() > deadline && spans.length > 0) return spans;
    if (Date.now() > deadline) throw new LaunchError(`no span of ${name} arrived within ${SPANS_WAIT_MS / 1000} s`);
    await sleep(100);
  }
}

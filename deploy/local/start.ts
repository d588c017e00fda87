/** `npm start`: runs ragbase on this machine until Ctrl-C. */
import { launch, readEnvironment } from './launch.ts';
import { isPortFree } from './ports.ts';
import { printAddresses } from './print-addresses.ts';
import { receiveTraces } from './receive-traces.ts';
import { print, printLine, styled } from './terminal.ts';

/** Where OTLP over HTTP goes by default. */
const COLLECTOR_PORT = 4318;

const { env, dataDir } = readEnvironment();
if (process.stdout.hasColors?.() && !env['NO_COLOR']) env['FORCE_COLOR'] ??= '1';
// With nobody there, every export would fail with a line in the log, and hold up the end. What takes them here
// drops them, so that each document still has its trace id.
if (await isPortFree(COLLECTOR_PORT, '127.0.0.1')) await receiveTraces(env, { keep: 0 });

await launch({
  env,
  dataDir,
  onLine: printLine,
  whenUp: async (stack) => {
    print(`\n${styled(['bold', 'green'], 'ragbase is running.')} Ctrl-C stops it.\n`);
    printAddresses(stack, { dataDir, env });
    return 'stay';
  },
});

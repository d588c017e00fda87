/** `npm start`: runs ragbase on this machine until Ctrl-C. */
import { launch, readEnvironment } from './launch.ts';
import { printAddresses } from './print-addresses.ts';
import { print, printLine, styled } from './terminal.ts';

const { env, dataDir } = readEnvironment();
if (process.stdout.hasColors?.() && !env['NO_COLOR']) env['FORCE_COLOR'] ??= '1';

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

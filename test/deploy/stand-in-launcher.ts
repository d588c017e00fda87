/** The launcher with stand-in services: `node stand-in-launcher.ts <data folder>`. Says `up <process ids as JSON>`. */
import { launch } from '../../deploy/local/launch.ts';
import { print, printLine } from '../../deploy/local/terminal.ts';
import { STAND_INS } from './stand-ins.ts';

await launch({
  dataDir: process.argv[2] ?? '',
  env: process.env,
  onLine: printLine,
  services: STAND_INS,
  whenUp: async ({ processes }) => {
    print(`up ${JSON.stringify(processes.map(({ pid }) => pid))}`);
    return 'stay';
  },
});

import { setTimeout } from 'node:timers/promises';
import { closeLogger, type Logger } from './logger.ts';

const FLUSH_MS = 2_000;

/** Ends the process on an error that nobody caught, as Node would, but with a line in the log: one that quotes nothing. */
export function logCrash(logger: Logger): void {
  process.once('uncaughtException', async (error) => {
    logger.error('crashed', { error });
    await Promise.race([closeLogger(logger), setTimeout(FLUSH_MS)]);
    process.exit(1);
  });
}

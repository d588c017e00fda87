import { setImmediate, setTimeout } from 'node:timers/promises';
import { closeLogger, type Logger } from './logger.ts';

const FLUSH_MS = 2_000;

/** Ends the process on an error that nobody caught, as Node would, but with a line in the log: one that quotes nothing. */
export function logCrash(logger: Logger): void {
  process.once('uncaughtException', (error) => void endAtOnce(logger, 'crashed', { error }));
}

/** Puts what Node warns of into the log: by itself it prints lines of its own to standard error. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => void logger.warn('Node.js warns', { error: warning }));
}

/**
 * Ends the process with status 1 and a last line, without closing anything: for whoever supervises it to start it again.
 * @param told resolves when whoever hears of errors has been told of the line.
 */
export async function endAtOnce(
  logger: Logger,
  reason: string,
  fields: Record<string, unknown> = {},
  told: () => Promise<unknown> = async () => undefined,
): Promise<never> {
  logger.error(reason, fields);
  // Before the logger is closed: what is logged meanwhile would be an error of its own.
  await Promise.race([setImmediate().then(told), setTimeout(FLUSH_MS)]);
  await Promise.race([closeLogger(logger), setTimeout(FLUSH_MS)]);
  process.exit(1);
}

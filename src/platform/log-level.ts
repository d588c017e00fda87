import type { Logger } from './logger.ts';

/**
 * Lets an operator look closer while the process runs: SIGUSR2 sets the log level to `debug`, and the
 * next one sets it back.
 */
export function changeLevelOnSignal(logger: Logger): void {
  const configured = logger.level;
  process.on('SIGUSR2', () => {
    const level = logger.level === 'debug' ? configured : 'debug';
    // At a level that shows it, whichever way it goes.
    logger.level = 'debug';
    logger.info('log level changed', { to: level });
    logger.level = level;
  });
}

import { outliveReaders } from './buffered-output.ts';
import { closeOnSignals, createLifecycle, type Lifecycle } from './lifecycle.ts';
import { logCrash, logWarnings } from './log-crash.ts';
import { changeLevelOnSignal } from './log-level.ts';
import { type Logger, type LogLevel, openLogger } from './logger.ts';
import { VERSION } from './version.ts';

/** What every process reads of its settings to begin with. */
export interface BaseConfig {
  LOG_LEVEL: LogLevel;
  LOG_FORMAT: 'json' | 'pretty';
  SHUTDOWN_TIMEOUT_MS: number;
  SHUTDOWN_DELAY_MS: number;
}

export interface ProcessOptions<C extends BaseConfig> {
  service: string;
  /** Closed last, so that no span of the shutdown is lost. */
  telemetry: {
    shutdown(): Promise<void>;
    /** Hears what telemetry has to say of itself. */
    onReport(listener: (report: { level: LogLevel; message: string; fields: Record<string, unknown> }) => void): void;
  };
  readConfig: () => C;
}

/**
 * Runs a process: settings, logger, order of closing, signals, then `start`. Whatever stops the
 * start is said in one message, and ends the process with status 1.
 */
export async function run<C extends BaseConfig>(
  options: ProcessOptions<C>,
  start: (parts: { config: C; logger: Logger; lifecycle: Lifecycle }) => Promise<void>,
): Promise<void> {
  outliveReaders();
  let config: C;
  try {
    config = options.readConfig();
  } catch (error) {
    const say = startMessages(options.service);
    options.telemetry.onReport(({ level, message, fields }) => say(level, message, fields));
    say('error', error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
  const logger = openLogger({
    service: options.service,
    version: VERSION,
    level: config.LOG_LEVEL,
    format: config.LOG_FORMAT,
  });
  logCrash(logger);
  logWarnings(logger);
  warnOfFewFiles(logger);
  changeLevelOnSignal(logger);
  options.telemetry.onReport(({ level, message, fields }) => logger.log(level, message, fields));
  const lifecycle = createLifecycle({
    logger,
    timeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    delayMs: config.SHUTDOWN_DELAY_MS,
  });
  lifecycle.onClose('telemetry', () => options.telemetry.shutdown());
  closeOnSignals(lifecycle, logger);
  try {
    await start({ config, logger, lifecycle });
    lifecycle.started();
  } catch (error) {
    if (lifecycle.signal.aborted) return; // A signal came first, and is ending the process already.
    logger.error(startFailure(error), { error });
    await lifecycle.close();
    process.exit(1);
  }
}

/** Says what goes wrong before there is a logger: as its lines are, or for a person to read. */
function startMessages(service: string): (level: LogLevel, message: string, fields?: object) => void {
  const isPretty = process.stderr.isTTY || process.env['LOG_FORMAT'] === 'pretty';
  return (level, message, fields = {}) => {
    const record = { timestamp: new Date().toISOString(), level, message, service, version: VERSION, ...fields };
    process.stderr.write(`${isPretty ? [message, ...Object.values(fields)].join(' ') : JSON.stringify(record)}\n`);
  };
}

/** Connections take files: beyond the limit Node turns them away without a word. */
const FEW_FILES = 1_024;

function warnOfFewFiles(logger: Logger): void {
  // Else it looks names up.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: number | string } } };
  const files = Number(userLimits?.open_files?.soft);
  if (files < FEW_FILES)
    logger.warn('the limit of open files is low, and connections beyond it are lost: raise it (ulimit -n)', { files });
}

/** Our own words where we have them; a port that is taken is the commonest of the others. */
function startFailure(error: unknown): string {
  const { code, port, message } = error as { code?: string; port?: number; message?: string };
  if (code === 'EADDRINUSE') return `port ${port} is taken: stop what listens there, or choose another`;
  return message ?? 'could not start';
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { styleText } from 'node:util';
import { isSpanContextValid, metrics, trace } from '@opentelemetry/api';
import winston from 'winston';
import { type BufferedOutput, bufferedOutput } from './buffered-output.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** A winston logger. Fields go in the second argument, an `Error` under `error`. */
export type Logger = winston.Logger;

export interface LoggerOptions {
  service: string;
  version: string;
  level: LogLevel;
  /** `json` for machines, `pretty` for a person at a terminal. */
  format: 'json' | 'pretty';
}

/** What lines carry beside their own fields. */
export type LogFields = Record<string, unknown>;

/** A line that says all of itself, its time too: it is written as it stands, without the fields of any context. */
export type WholeLine = LogFields & { timestamp: string; level: LogLevel; message: string };

/** Where a line's fields stand as they are written, on what transports are given. */
export const LOG_RECORD = Symbol.for('ragbase.log-record');

const fieldsOfContext = new AsyncLocalStorage<LogFields>();

/**
 * Runs `work`; every line that is logged meanwhile, however deep, carries the fields too.
 * @param work is given all fields of the context, for a line that is logged when the context is gone.
 */
export function withLogFields<T>(fields: LogFields, work: (all: LogFields) => T): T {
  const all = { ...fieldsOfContext.getStore(), ...fields };
  return fieldsOfContext.run(all, work, all);
}

/** Adds what became known meanwhile, such as the document that a request is about, to the context's fields. */
export function addLogFields(fields: LogFields): void {
  const all = fieldsOfContext.getStore();
  if (all) Object.assign(all, fields);
}

/** Opens the process's logger, on standard output. Whoever reads there may go away: see `outliveReaders`. */
export function openLogger(options: LoggerOptions): Logger {
  const lost = metrics
    .getMeter('ragbase.log')
    .createCounter('log_lines_lost_total', { description: 'Lines of the log that nobody was there to read' });
  lost.add(0);
  const output = bufferedOutput(process.stdout, { onLost: (lines) => lost.add(lines) });
  const logger = winston.createLogger({
    level: options.level,
    format: winston.format((info) => {
      const record = toRecord(info, options);
      info[LOG_RECORD as unknown as string] = record;
      info[Symbol.for('message') as unknown as string] =
        options.format === 'json' ? JSON.stringify(record) : pretty(record);
      return info;
    })(),
    transports: [output.transport],
  });
  outputs.set(logger, output);
  return logger;
}

const outputs = new WeakMap<Logger, BufferedOutput>();

/** Writes out what is pending. `process.exit` alone would lose it on a slow pipe. */
export async function closeLogger(logger: Logger): Promise<void> {
  const finished = once(logger, 'finish');
  logger.end();
  await finished;
  await outputs.get(logger)?.flush();
}

type LogRecord = { timestamp: string; level: string; message: string } & Record<string, unknown>;

function toRecord(info: winston.Logform.TransformableInfo, { service, version }: LoggerOptions): LogRecord {
  // Not copied: that would cost a request as much as writing its line.
  if (typeof info['timestamp'] === 'string') return Object.assign(info as WholeLine, { service, version });
  const { level, message, error } = info;
  const record: LogRecord = { timestamp: new Date().toISOString(), level, message: String(message), service, version };
  // A line that says which trace it belongs to says all of it: it may be logged in another's context.
  if (!('trace_id' in info)) Object.assign(record, traceFields(), fieldsOfContext.getStore());
  // Not by spreading: that copies what winston hides under symbols, and costs as much as writing the line.
  for (const name in info) if (!OWN_FIELDS.has(name)) record[name] = info[name];
  if (error instanceof Error) record['error'] = describeError(error);
  return record;
}

const OWN_FIELDS: ReadonlySet<string> = new Set(['level', 'message']);

/** What a line carries of the active trace, if there is one. */
export function traceFields(span = trace.getActiveSpan()?.spanContext()): { trace_id?: string; span_id?: string } {
  return span !== undefined && isSpanContextValid(span) ? { trace_id: span.traceId, span_id: span.spanId } : {};
}

/** Class, code and stack; causes by class and code only. A driver's message may quote what it was sent. */
function describeError(error: Error & { code?: unknown }): Record<string, unknown> {
  const frames = error.stack
    ?.split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 8);
  return {
    type: error.name,
    ...(typeof error.code === 'string' && { code: error.code }),
    message: SAFE_MESSAGES.has(error.name) ? error.message : undefined,
    stack: frames?.join('\n'),
    ...(error.cause instanceof Error && { cause: describeError(error.cause) }),
  };
}

/** Errors whose messages are our own words, or of the runtime's, and quote no input. */
const SAFE_MESSAGES = new Set(['DomainError', 'ProcessingError', 'EmbeddingError', 'ConfigError', 'AggregateError']);

const COLORS = { error: 'red', warn: 'yellow', info: 'green', debug: 'gray' } as const;

function pretty({
  timestamp,
  level,
  message,
  service: _service,
  version: _version,
  span_id: _span,
  ...fields
}: LogRecord): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  const name = styleText(COLORS[level as LogLevel] ?? 'white', level.padEnd(5));
  return `${timestamp.slice(11, 23)} ${name} ${message} ${styleText('gray', rest.join(' '))}`.trimEnd();
}

import { Writable } from 'node:stream';
import winston from 'winston';
import { isDiskFull } from '../platform/errors.ts';
import { LOG_RECORD, type Logger } from '../platform/logger.ts';
import type { Occurrence, Report } from './occurrence.ts';

/** Fields of a log line that an alert repeats: ids and codes, never anything that a client wrote. */
const CONTEXT = ['service', 'part', 'documentId', 'requestId', 'queue', 'jobId', 'attempt', 'errorType'] as const;

type Fields = Record<string, unknown>;

/**
 * Reports what is logged as an error, a full disk on whatever line it shows, and lines that say
 * `alert: 'error' | 'critical'` of themselves. So whoever logs needs to know nothing of alerting.
 */
export function reportLoggedErrors(logger: Logger, report: Report): void {
  const stream = new Writable({
    objectMode: true,
    write(info: Fields, _encoding, done) {
      // First of all: a transport that does not call back silences all the others after 16 lines.
      done();
      const occurrence = occurrenceOf((info[LOG_RECORD as unknown as string] ?? info) as Fields);
      if (occurrence) report(occurrence);
    },
  });
  logger.add(new winston.transports.Stream({ stream, level: 'warn' }));
}

/** What a log line tells, if it is worth an alert. */
export function occurrenceOf(record: Fields): Occurrence | undefined {
  const error = (record['error'] ?? {}) as { code?: unknown; type?: unknown };
  const errorType = text(error.code) ?? text(error.type) ?? text(record['errorType']) ?? text(record['code']);
  const level = levelOf(record, errorType);
  if (level === undefined) return undefined;
  const message = String(record['message']).slice(0, 200);
  const fields: Fields = { ...record, errorType };
  const traceId = text(record['trace_id']);
  return {
    level,
    type: (errorType === undefined ? message : `${message}: ${errorType}`).slice(0, 200),
    message,
    context: Object.fromEntries(
      CONTEXT.map((name) => [name, fields[name]])
        .filter(([, value]) => typeof value === 'string' || typeof value === 'number')
        .map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, 200) : value]),
    ),
    timestamp: text(record['timestamp']) ?? new Date().toISOString(),
    ...(traceId !== undefined && { traceId }),
  };
}

function levelOf(record: Fields, errorType: string | undefined): Occurrence['level'] | undefined {
  if (record['alert'] === 'critical' || record['alert'] === 'error') return record['alert'];
  if (errorType !== undefined && isDiskFull(Object.assign(new Error(), { code: errorType }))) return 'critical';
  return record['level'] === 'error' ? 'error' : undefined;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

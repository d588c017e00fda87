import { Writable } from 'node:stream';
import winston from 'winston';

/** One line of the log, parsed. */
export type LogLine = { level: string; message: string } & Record<string, unknown>;

/** A real logger whose lines are kept. */
export function memoryLogger(): { logger: winston.Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const transports = [new winston.transports.Stream({ stream })];
  return { lines, logger: winston.createLogger({ level: 'debug', format: winston.format.json(), transports }) };
}

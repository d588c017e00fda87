import type { Writable } from 'node:stream';
import Transport from 'winston-transport';
import { afterTurn } from './after-turn.ts';

/** Where winston puts a line that is ready to be written. */
const MESSAGE = Symbol.for('message');

/** A transport that writes in batches, and can be asked to write now. */
export interface BufferedOutput {
  transport: Transport;
  /** Writes what is pending; resolves when the stream has taken all of it. */
  flush(): Promise<void>;
}

export interface BufferedOutputOptions {
  /** Told of lines that nobody will read. */
  onLost: (lines: number) => void;
  /** What waits in memory for a reader that stands still, in bytes; beyond it lines are lost. */
  maxWaiting?: number;
}

/**
 * Writes the lines of one turn of the event loop at once: a system call each would cost a small
 * request more than all the rest of its log line. A reader that goes away loses lines; each batch is
 * tried all the same, as another may come to a named pipe. The stream must have an `error` listener.
 */
export function bufferedOutput(
  stream: Writable,
  { onLost, maxWaiting = 16 * 1024 * 1024 }: BufferedOutputOptions,
): BufferedOutput {
  const lines = afterTurn<string>((all) => {
    if (stream.writableLength > maxWaiting) return onLost(all.length);
    stream.write(all.join(''), (error) => {
      if (error) onLost(all.length);
    });
  });
  // Whatever ends the process: on Linux, pipes and files are written to at once.
  process.once('exit', lines.flush);
  const transport = new Transport({
    log(info: Record<symbol, string>, next: () => void) {
      lines.add(`${info[MESSAGE]}\n`);
      next();
    },
  });
  return {
    transport,
    async flush() {
      lines.flush();
      process.removeListener('exit', lines.flush);
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    },
  };
}

/** Without listeners, the end of whoever reads standard output (EPIPE) would be an exception that nobody caught. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

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

/**
 * Writes the lines of one turn of the event loop at once: a system call each would cost a small
 * request more than all the rest of its log line.
 */
export function bufferedOutput(stream: NodeJS.WritableStream): BufferedOutput {
  const lines = afterTurn<string>((all) => stream.write(all.join('')));
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

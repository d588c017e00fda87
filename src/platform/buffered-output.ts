import Transport from 'winston-transport';

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
  let pending = '';
  const write = () => {
    const text = pending;
    pending = '';
    if (text !== '') stream.write(text);
  };
  // Whatever ends the process: on Linux, pipes and files are written to at once.
  process.once('exit', write);
  const transport = new Transport({
    log(info: Record<symbol, string>, next: () => void) {
      if (pending === '') setImmediate(write);
      pending += `${info[MESSAGE]}\n`;
      next();
    },
  });
  return {
    transport,
    async flush() {
      write();
      process.removeListener('exit', write);
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    },
  };
}

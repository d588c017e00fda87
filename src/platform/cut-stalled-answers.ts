import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { countRefusal } from './refusals.ts';

/** What of a connection's answers was taken and of its requests came, and since when no more. */
interface Reading {
  taken: number;
  came: number;
  since: number;
  /** The answer to its last request. */
  last?: ServerResponse;
}

/**
 * Changes with each byte of a connection that the system took to send, and with nothing else. The socket itself counts a write
 * when the whole of it is taken; of a large one that is under way the handle knows more, as Node's own timeouts ask it.
 */
function bytesTaken(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null };
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0);
}

/** An answer whose turn has not come. What it holds is kept until then, and Node reads no further: nobody hears the client leave. */
const isQueued = (answer: ServerResponse | undefined): boolean =>
  answer !== undefined && answer.socket === null && !answer.writableFinished;

/**
 * Ends connections whose client takes nothing of its answer for `stallMs`, and those on which nothing moves while an answer
 * waits for its turn: what waits is kept in memory, and may hold a place. One timer for all, as every answer can be left
 * unread, and most are read at once.
 */
export function cutStalledAnswers(server: Server, { stallMs }: { stallMs: number }): void {
  const readings = new Map<Socket, Reading>();
  server.on('connection', (socket: Socket) => {
    readings.set(socket, { taken: 0, came: 0, since: 0 });
    socket.once('close', () => readings.delete(socket));
  });
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const reading = readings.get(socket);
    if (reading) reading.last = response;
  });
  const sweep = () => {
    const now = performance.now();
    for (const [socket, reading] of readings) {
      const [taken, came] = [bytesTaken(socket), socket.bytesRead];
      const isUnread = socket.writableLength > 0;
      const isStill = isUnread ? taken === reading.taken : taken === reading.taken && came === reading.came;
      if (!isStill || !(isUnread || isQueued(reading.last))) Object.assign(reading, { taken, came, since: now });
      else if (now - reading.since >= stallMs) {
        if (isUnread) countRefusal('answer_not_read');
        socket.destroy();
      }
    }
  };
  const timer = setInterval(sweep, Math.min(5_000, stallMs / 4)).unref();
  server.once('close', () => clearInterval(timer));
}

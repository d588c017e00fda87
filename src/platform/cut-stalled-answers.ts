import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { countRefusal } from './refusals.ts';

/** What of a connection's answers was taken, and since when no more. */
interface Reading {
  taken: number;
  since: number;
}

/**
 * Changes with each byte of a connection that the system took to send, and with nothing else. The socket itself counts a write
 * when the whole of it is taken; of a large one that is under way the handle knows more, as Node's own timeouts ask it.
 */
function bytesTaken(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null };
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0);
}

/**
 * Ends connections whose client takes nothing of its answer for `stallMs`: what waits for it is kept in memory. One timer for
 * all, as every answer can be left unread, and most are read at once.
 */
export function cutStalledAnswers(server: Server, { stallMs }: { stallMs: number }): void {
  const readings = new Map<Socket, Reading>();
  server.on('connection', (socket: Socket) => {
    readings.set(socket, { taken: 0, since: 0 });
    socket.once('close', () => readings.delete(socket));
  });
  const sweep = () => {
    const now = performance.now();
    for (const [socket, reading] of readings) {
      const taken = bytesTaken(socket);
      if (socket.writableLength === 0 || taken !== reading.taken) Object.assign(reading, { taken, since: now });
      else if (now - reading.since >= stallMs) {
        countRefusal('answer_not_read');
        socket.destroy();
      }
    }
  };
  const timer = setInterval(sweep, Math.min(5_000, stallMs / 4)).unref();
  server.once('close', () => clearInterval(timer));
}

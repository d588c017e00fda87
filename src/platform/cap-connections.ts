import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { countRefusal } from './refusals.ts';

/** How long a connection may be silent before it makes room for others, in ms, where there is none left. */
const SILENT_MS = 1_000;

/**
 * Takes so many connections at a time, and drops further ones at once. Where none are left, those that are idle or have asked
 * for nothing yet are closed: they make room for whoever tries again.
 */
export function capConnections(server: Server, { max }: { max: number }): void {
  const silent = new Map<Socket, number>();
  server.maxConnections = max;
  server.on('connection', (socket: Socket) => {
    silent.set(socket, performance.now());
    socket.once('close', () => silent.delete(socket));
  });
  server.prependListener('request', ({ socket }: IncomingMessage) => void silent.delete(socket));
  server.on('drop', () => {
    countRefusal('connections');
    server.closeIdleConnections();
    const before = performance.now() - SILENT_MS;
    for (const [socket, since] of silent) {
      // In the order of their arrival.
      if (since > before) break;
      socket.destroy();
    }
  });
}

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from './logger.ts';

/** What had been sent before the server closed, arrives within this time. */
const ARRIVING_MS = 500;
/** A client that neither reads nor sends for this long, while it is its turn, is waited for no more. */
const STALLED_MS = 5_000;
const SWEEP_MS = 50;

/** Ends a server in order. */
export interface ServerCloser {
  /**
   * Takes no new connections; answers what is in flight; ends the rest: connections without a request, and those whose
   * client takes or sends nothing. Resolves when the last one is gone.
   * @param cutAfterMs all that are still busy then are cut.
   */
  close(cutAfterMs: number | undefined): Promise<void>;
}

/** The request that a connection is busy with, and when its bytes last moved. */
interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  bytes: number;
  movedAt: number;
}

/** Follows the connections of a server from its first: `server.close()` would wait for those that never say a word. */
export function followConnections(server: Server, options: { name: string; logger: Logger }): ServerCloser {
  const connections = new Map<Socket, Exchange | undefined>();
  server.on('connection', (socket: Socket) => {
    connections.set(socket, undefined);
    socket.once('close', () => connections.delete(socket));
  });
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (!connections.has(request.socket)) return;
    connections.set(request.socket, { request, response, bytes: -1, movedAt: performance.now() });
  };
  server.prependListener('request', onRequest);
  server.prependListener('checkExpectation', onRequest);

  function sweep(sinceMs: number): number {
    let cut = 0;
    for (const [socket, exchange] of connections) {
      if (exchange === undefined || isOver(exchange)) {
        if (exchange !== undefined || sinceMs > ARRIVING_MS) socket.destroy();
      } else if (isStalled(socket, exchange)) {
        socket.destroy();
        cut += 1;
      }
    }
    return cut;
  }

  return {
    async close(cutAfterMs) {
      // What has arrived and was not read yet is in flight, and becomes a request in these turns.
      await setImmediate();
      await setImmediate();
      const began = performance.now();
      let cut = 0;
      const closed = new Promise<void>((resolve, reject) => {
        // Not by the HTTP server's own, which also ends connections whose answer is complete but not yet sent.
        NetServer.prototype.close.call(server, (error) => (error ? reject(error) : resolve()));
      });
      const timer = setInterval(() => {
        const sinceMs = performance.now() - began;
        cut += sweep(sinceMs);
        if (cutAfterMs === undefined || sinceMs < cutAfterMs) return;
        cut += connections.size;
        server.closeAllConnections();
      }, SWEEP_MS);
      await closed.finally(() => clearInterval(timer));
      if (cut > 0) options.logger.warn('connections were cut at shutdown', { server: options.name, connections: cut });
    },
  };
}

const isOver = ({ request, response }: Exchange): boolean => response.closed && (request.complete || request.destroyed);

/** Whether its bytes stand still, and not because of us: neither by work on the answer nor by what we have yet to read. */
function isStalled(socket: Socket, exchange: Exchange): boolean {
  const { request, response } = exchange;
  const now = performance.now();
  // What is queued counts as written, and is taken off again.
  const bytes = socket.bytesRead + socket.bytesWritten - socket.writableLength;
  const isTheirTurn =
    response.closed || socket.writableLength > 0 || (!request.complete && request.readableLength === 0);
  // After its answer, a body that goes on has only so long.
  if ((bytes !== exchange.bytes && !response.closed) || !isTheirTurn) exchange.movedAt = now;
  exchange.bytes = bytes;
  return now - exchange.movedAt > STALLED_MS;
}

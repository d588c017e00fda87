import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { countRefusal } from './refusals.ts';

/** How long a connection is left alone, in ms, before it makes room for others where there is none left. */
const LEFT_ALONE_MS = 1_000;

interface Connection {
  since: number;
  address: string | undefined;
  /** The last request that came on it, and its answer: that of earlier ones is over when this is. */
  request?: IncomingMessage;
  response?: ServerResponse;
}

/**
 * Takes so many connections at a time. For a further one others make room: those that are idle or have asked for nothing yet;
 * else, of the address that has the most, the one that keeps us waiting, for its body or for its client to read, and has
 * moved least. Where there is none of these, the new one is dropped.
 */
export function capConnections(server: Server, { max }: { max: number }): void {
  const connections = new Map<Socket, Connection>();
  const forget = () => {
    for (const socket of connections.keys()) if (socket.destroyed) connections.delete(socket);
  };

  function makeRoom(): boolean {
    const before = performance.now() - LEFT_ALONE_MS;
    // Not by `closeIdleConnections`: it takes an answer for over whose end the client has not read yet.
    for (const [socket, { since, request, response }] of connections)
      if (request ? request.complete && response?.writableFinished : since < before) socket.destroy();
    forget();
    if (connections.size < max) return true;
    leastMoving(connections, before)?.destroy();
    forget();
    return connections.size < max;
  }

  server.on('connection', (socket: Socket) => {
    if (connections.size >= max) {
      countRefusal('connections');
      if (!makeRoom()) return void socket.destroy();
    }
    connections.set(socket, { since: performance.now(), address: socket.remoteAddress });
    socket.once('close', () => connections.delete(socket));
  });
  server.prependListener('request', (request, response) => {
    const connection = connections.get(request.socket);
    if (connection) Object.assign(connection, { request, response });
  });
}

/** Of who has the most connections, the one that moved least while we wait for it. */
function leastMoving(connections: ReadonlyMap<Socket, Connection>, before: number): Socket | undefined {
  const byAddress = Map.groupBy(connections, ([, { address }]) => address);
  const [most = []] = [...byAddress.values()].sort((one, other) => other.length - one.length);
  const moved = (socket: Socket) => socket.bytesRead + socket.bytesWritten - socket.writableLength;
  return most
    .filter(
      ([socket, { since, request }]) => since < before && (request?.complete === false || socket.writableLength > 0),
    )
    .reduce<Socket | undefined>(
      (least, [socket]) => (least && moved(least) <= moved(socket) ? least : socket),
      undefined,
    );
}

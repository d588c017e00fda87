import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server that can be cut, as a network is. */
export interface SeverableProxy {
  port: number;
  /** Breaks every connection and takes no new one. */
  cut(): void;
  mend(): void;
  /** Breaks every connection, and leads new ones to another port. */
  lead(port: number): void;
  close(): void;
}

/** Listens on a free port of 127.0.0.1 and passes everything on to another. */
export async function openSeverableProxy(port: number): Promise<SeverableProxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let targetPort = port;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const server = createServer((incoming) => {
    if (isCut) {
      incoming.destroy();
      return;
    }
    const outgoing = connect(targetPort, '127.0.0.1');
    for (const socket of [incoming, outgoing]) keep(socket);
    incoming.on('close', () => outgoing.destroy()).pipe(outgoing);
    outgoing.on('close', () => incoming.destroy()).pipe(incoming);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true;
      breakAll();
    },
    mend: () => {
      isCut = false;
    },
    lead: (to) => {
      targetPort = to;
      breakAll();
    },
    close: () => {
      server.close();
      breakAll();
    },
  };
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { resetSocket } from './reset-socket.ts';

/** A way to a server that can be cut, as a network is. */
export interface SeverableProxy {
  port: number;
  /** Breaks every connection and takes no new one. */
  cut(): void;
  /** Delivers nothing and closes nothing; what is sent meanwhile arrives after `mend`. */
  hold(): void;
  /** As `hold`, but for good: the connections of now stay mute after `mend`, until one of their ends gives them up. */
  lose(): void;
  /** As `lose`, once the server has sent this many bytes on one connection; resolves then. */
  loseAfter(bytes: number): Promise<void>;
  mend(): void;
  /** Breaks every connection, and leads new ones to another port. */
  lead(port: number): void;
  close(): void;
}

/** A connection, and its continuation to the server. */
interface Pair {
  incoming: Socket;
  outgoing: Socket;
  isLost: boolean;
}

/** Listens on a free port of 127.0.0.1 and passes everything on to another. */
export async function openSeverableProxy(port: number): Promise<SeverableProxy> {
  const pairs = new Set<Pair>();
  let targetPort = port;
  let state: 'open' | 'cut' | 'held' = 'open';
  let onBytes: (sent: number) => void = () => undefined;
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (incoming) => {
    if (state === 'cut') return void incoming.destroy();
    const outgoing = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    const pair = { incoming, outgoing, isLost: false };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      incoming.destroy();
      outgoing.destroy();
    };
    for (const socket of [incoming, outgoing]) socket.on('error', end).on('close', end);
    outgoing.on('data', () => onBytes(outgoing.bytesRead));
    if (state === 'open') join(pair);
    else outgoing.pause();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => {
    for (const { incoming, outgoing } of pairs) {
      // What one end never reads would hold its FIN back.
      for (const socket of [incoming, outgoing]) resetSocket(socket);
    }
  };
  const hold = () => {
    state = 'held';
    for (const pair of pairs) part(pair);
  };
  const lose = () => {
    hold();
    for (const pair of pairs) pair.isLost = true;
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      state = 'cut';
      breakAll();
    },
    hold,
    lose,
    loseAfter: (bytes) =>
      new Promise((resolve) => {
        onBytes = (sent) => {
          if (sent < bytes) return;
          onBytes = () => undefined;
          lose();
          resolve();
        };
      }),
    mend: () => {
      if (state === 'held') for (const pair of pairs) pair.isLost ? drain(pair) : join(pair);
      state = 'open';
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

function join({ incoming, outgoing }: Pair): void {
  incoming.pipe(outgoing);
  outgoing.pipe(incoming);
}

function part({ incoming, outgoing }: Pair): void {
  incoming.unpipe(outgoing).pause();
  outgoing.unpipe(incoming).pause();
}

/** Reads and forgets, which is how the end of a connection is noticed. */
function drain({ incoming, outgoing }: Pair): void {
  incoming.resume();
  outgoing.resume();
}

import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Lifecycle } from './lifecycle.ts';
import { refuseBrokenRequests } from './refuse-broken-requests.ts';

export interface HttpServerOptions {
  host: string;
  /** 0 for any free one. */
  port: number;
  lifecycle: Lifecycle;
  name: string;
  /** Longest time that a request may take to arrive whole, in ms; 0 for no limit. */
  requestTimeoutMs: number;
  /** At shutdown, connections that are still busy after this long are cut, in ms. Only where clients try again. */
  cutAfterMs?: number;
}

/**
 * Listens, and registers how it ends: no new connections, every request in flight is answered, and
 * keep-alive connections are told to go with their next answer.
 * @returns the port that it listens on.
 * @throws Error with code `EADDRINUSE` where the port is taken.
 */
export async function listen(handler: RequestListener, options: HttpServerOptions): Promise<number> {
  const server = createServer({
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: 65_000,
    headersTimeout: 30_000,
    requireHostHeader: false,
  });
  const onRequest: RequestListener = (request, response) => {
    // A client that reuses a connection while it closes would see a reset instead of an answer.
    if (options.lifecycle.signal.aborted) response.setHeader('Connection', 'close');
    handler(request, response);
  };
  server.on('request', onRequest);
  // Else an expectation that Node does not know would be refused in another shape than all else.
  server.on('checkExpectation', onRequest);
  refuseBrokenRequests(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  options.lifecycle.onClose(options.name, () => closeServer(server, options.cutAfterMs));
  return (server.address() as AddressInfo).port;
}

function closeServer(server: Server, cutAfterMs: number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    // A connection that goes idle after its last answer would hold the server until its timeout.
    const sweep = setInterval(() => server.closeIdleConnections(), 50);
    const cut = cutAfterMs === undefined ? undefined : setTimeout(() => server.closeAllConnections(), cutAfterMs);
    server.close((error) => {
      clearInterval(sweep);
      clearTimeout(cut);
      if (error) reject(error);
      else resolve();
    });
  });
}

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { capConnections } from './cap-connections.ts';
import { followConnections } from './close-server.ts';
import { cutStalledAnswers } from './cut-stalled-answers.ts';
import { endWithConnection } from './end-with-connection.ts';
import type { Lifecycle } from './lifecycle.ts';
import { limitPipelining } from './limit-pipelining.ts';
import type { Logger } from './logger.ts';
import { refuseBrokenRequests } from './refuse-broken-requests.ts';

export interface HttpServerOptions {
  host: string;
  /** 0 for any free one. */
  port: number;
  lifecycle: Lifecycle;
  name: string;
  logger: Logger;
  /** How long a connection may wait for its next request, in ms: longer than a proxy before it keeps it. */
  keepAliveMs: number;
  /** Longest time that a request may take to arrive whole, in ms; 0 for no limit. */
  requestTimeoutMs: number;
  /** Connections at a time; further ones are dropped. No limit by default. */
  maxConnections?: number;
  /** At shutdown, connections that are still busy after this long are cut, in ms. Only where clients try again. */
  cutAfterMs?: number;
}

/** How long an answer may wait for its client to take more of it, in ms. */
const STALL_MS = 30_000;

/** Requests of one connection at a time. Clients that pipeline at all send a few. */
const MAX_PIPELINED = 50;

/**
 * Listens, and registers how it ends: no new connections, every request in flight is answered, and
 * keep-alive connections are told to go with their next answer.
 * @returns the port that it listens on.
 * @throws Error with code `EADDRINUSE` where the port is taken.
 */
export async function listen(handler: RequestListener, options: HttpServerOptions): Promise<number> {
  const server = createServer({
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: options.keepAliveMs,
    headersTimeout: 30_000,
    requireHostHeader: false,
  });
  const connections = followConnections(server, options);
  const onRequest: RequestListener = (request, response) => {
    // A client that reuses a connection while it closes would see a reset instead of an answer.
    if (options.lifecycle.signal.aborted) response.setHeader('Connection', 'close');
    handler(request, response);
  };
  server.on('request', limitPipelining(onRequest, { max: MAX_PIPELINED }));
  // Else an expectation that Node does not know would be refused in another shape than all else.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  refuseBrokenRequests(server);
  endWithConnection(server);
  if (options.maxConnections !== undefined) capConnections(server, { max: options.maxConnections });
  cutStalledAnswers(server, { stallMs: STALL_MS });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  options.lifecycle.onClose(options.name, () => connections.close(options.cutAfterMs));
  return (server.address() as AddressInfo).port;
}

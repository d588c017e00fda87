import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

/**
 * Ends every request and answer of a connection when that closes. Node does so by itself, but not for a request that was
 * answered before its body was read, nor for those that were pipelined before a CONNECT: whoever reads or writes them would
 * wait for ever.
 */
export function endWithConnection(server: Server): void {
  const exchanges = new WeakMap<Socket, Exchange[]>();
  server.prependListener('request', (request, response) => {
    const { socket } = request;
    const before = exchanges.get(socket);
    // No listener a request: those that are over are dropped when the next one comes.
    exchanges.set(socket, [...(before ?? []).filter(isOpen), { request, response }]);
    if (before === undefined) socket.once('close', () => exchanges.get(socket)?.forEach(end));
  });
}

const isOpen = ({ request, response }: Exchange): boolean => !response.closed || !request.readableEnded;

function end({ request, response }: Exchange): void {
  if (!request.readableEnded) request.destroy();
  if (!response.closed) response.destroy();
}

import type { Socket } from 'node:net';

/** Ends a connection by a reset. Node never closes a socket that is reset while it is being shut down, and can't exit then. */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

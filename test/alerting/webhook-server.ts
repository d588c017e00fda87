import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A webhook that keeps what it is sent. */
export interface WebhookServer {
  url: string;
  received: Record<string, unknown>[];
  close(): Promise<void>;
}

/** @param answer what it answers, by the number of the request, from 1; 200 by default. */
export async function openWebhookServer(
  answer: (request: number) => { status: number; headers?: Record<string, string> } | 'nothing' = () => ({
    status: 200,
  }),
): Promise<WebhookServer> {
  const received: Record<string, unknown>[] = [];
  const handle: RequestListener = async (request, response) => {
    received.push((await json(request)) as Record<string, unknown>);
    const chosen = answer(received.length);
    if (chosen !== 'nothing') response.writeHead(chosen.status, chosen.headers).end();
  };
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What the collector does with what it is sent: takes it, answers 500, or never answers. */
export type Behaviour = 'take' | 'refuse' | 'hang';

/** A collector that behaves as a test wants it to, and keeps every byte. */
export interface Collector {
  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_PROTOCOL=http/json. */
  endpoint: string;
  behaviour: Behaviour;
  /** The bodies that it was sent, as they came. */
  bodies: string[];
  close(): Promise<void>;
}

/** Starts one on a free port of 127.0.0.1. */
export async function openCollector(behaviour: Behaviour = 'take'): Promise<Collector> {
  const bodies: string[] = [];
  const answer = (response: ServerResponse) => {
    if (collector.behaviour === 'hang') return;
    response.writeHead(collector.behaviour === 'take' ? 200 : 500, { 'content-type': 'application/json' }).end('{}');
  };
  const server = createServer(async (request, response) => {
    bodies.push(await text(request));
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const collector: Collector = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    behaviour,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return collector;
}

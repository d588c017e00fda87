import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import { type Compose, docker } from './compose.ts';
import { type Finding, unless } from './finding.ts';

/** What opens files that nobody vouches for, and the ports that it may reach. The backend's public one asks for a key. */
const CONFINED = 'ai-worker';
const NEEDED: Record<string, readonly number[]> = {
  redis: [6379],
  backend: [3000, 9464],
  'otel-collector': [4317, 4318, 8888, 8889, 13133],
  [CONFINED]: [8000],
};

/** Of everything that runs in a deployment, beside the ports that its image names. */
const PORTS = [
  3000, 3100, 4317, 4318, 5432, 6379, 8000, 8888, 8889, 9090, 9093, 9121, 9187, 9464, 13133, 14269, 16685, 16686,
];

/** One address and port, and whose it is. */
export interface Place {
  service: string;
  host: string;
  port: number;
}

/** Whether the ai-worker reaches Redis, the backend and the collector, and neither others nor the machine, tried from inside it. */
export async function checkWalls(compose: Compose): Promise<Finding[]> {
  // Of the machine, what listens on every address is what could be reached.
  const listener = createServer((socket) => socket.destroy()).listen(0, '0.0.0.0');
  await once(listener, 'listening');
  try {
    const { port } = listener.address() as AddressInfo;
    const places = [
      ...(await placesOf(compose)),
      ...machine().map((host) => ({ service: 'this machine', host, port })),
    ];
    return judgeWalls(places, await reachedBy(compose, places));
  } finally {
    listener.close();
  }
}

/** @param reached those of `places` that took a connection. */
export function judgeWalls(places: readonly Place[], reached: readonly Place[]): Finding[] {
  const isReached = (service: string, port: number) =>
    reached.some((place) => place.service === service && place.port === port);
  const missing = [...new Set(places.map(({ service }) => service))].flatMap((service) => {
    const port = NEEDED[service]?.at(-1);
    return service !== 'otel-collector' && port !== undefined && !isReached(service, port)
      ? [`${service}:${port}`]
      : [];
  });
  const tooMany = reached
    .filter(({ service, port }) => !NEEDED[service]?.includes(port))
    .map(({ service, host, port }) => `${service} (${host}:${port})`);
  return unless(
    [
      ...tooMany.map((place) => `the ${CONFINED} reaches ${place}`),
      ...missing.map((place) => `the ${CONFINED} does not reach ${place}`),
    ],
    `the ${CONFINED} reaches what it needs and nothing else (${places.length} addresses and ports tried)`,
    'compare the networks with those of docker-compose.prod.yml',
  );
}

const containersSchema = z.array(
  z.object({
    Config: z.object({
      Labels: z.record(z.string(), z.string()),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    }),
    NetworkSettings: z.object({
      Networks: z.record(z.string(), z.object({ IPAddress: z.string(), Gateway: z.string() })),
    }),
  }),
);

async function placesOf(compose: Compose): Promise<Place[]> {
  const ids = (await compose.output('ps', '--quiet')).split('\n').filter(Boolean);
  const containers = containersSchema.parse(JSON.parse(await docker('inspect', ...ids)));
  return containers.flatMap(({ Config, NetworkSettings }) => {
    const service = (Config.Labels['com.docker.compose.service'] ?? 'unknown').replace(/^backend-\w+$/, 'backend');
    const ports = new Set([
      ...PORTS,
      ...Object.keys(Config.ExposedPorts ?? {}).map((port) => Number.parseInt(port, 10)),
    ]);
    const hosts = Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress);
    return hosts.filter(Boolean).flatMap((host) => [...ports].map((port) => ({ service, host, port })));
  });
}

/** Its own addresses, those of Docker's bridges among them. */
const machine = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((addresses = []) => addresses)
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .map(({ address }) => address);

/** Prints those of the places in its argument that take a connection. */
const PROBE = `
  const reaches = ({ host, port }) => new Promise((resolve) => {
    const socket = require('node:net').connect({ host, port, timeout: 2000 });
    const end = (is) => { socket.destroy(); resolve(is); };
    socket.once('connect', () => end(true)).once('timeout', () => end(false)).once('error', () => end(false));
  });
  const places = JSON.parse(process.argv[1]);
  Promise.all(places.map(reaches)).then((is) => console.log(JSON.stringify(places.filter((_, index) => is[index]))));`;

const reachedBy = async (compose: Compose, places: readonly Place[]): Promise<Place[]> =>
  JSON.parse(await compose.output('exec', '-T', CONFINED, 'node', '-e', PROBE, JSON.stringify(places)));

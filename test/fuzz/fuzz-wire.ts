import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { type Random, seededRandom } from '../chaos/random.ts';
import { resetSocket } from '../support/reset-socket.ts';
import type { Service, ShownDocument } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type Exchange, exchangeOf, type Target } from './wire-requests.ts';

/** How a run went. */
export interface WireReport {
  /** Exchanges: a connection each, with a request or more. */
  exchanges: number;
  /** Answers by status; `none` of exchanges that got none. */
  answers: Map<string, number>;
  /** What should not be: each is a line. */
  faults: string[];
}

/** Of a connection that is not read, as of many requests at once, the end shows at the second heartbeat that is written to it. */
const GONE_MS = 45_000;
/** Fewer than uploads that are taken at a time. */
const AT_A_TIME = 12;

/**
 * Sends requests to a service, and looks at what became of it: the same process, no error of its own, nothing of a request
 * that stays, and a client who behaves is served.
 */
export async function fuzzWire(service: Service, options: { requests: number; seed: number }): Promise<WireReport> {
  const answers = new Map<string, number>();
  const target = await givenTarget(service);
  const pid = backendOf(service);
  const lines = service.lines.length;
  // Each has its own randomness: which is next would depend on how fast the others are.
  const exchanges = Array.from({ length: options.requests }, (_, index) => options.seed * 1_000_003 + index).values();
  const send = async () => {
    for (const seed of exchanges)
      for (const status of await converse(service.stack.apiUrl, exchangeOf(warm(seed), target)))
        answers.set(status, (answers.get(status) ?? 0) + 1);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, send));

  const faults: string[] = [];
  if (backendOf(service) !== pid) faults.push('the backend has ended, and was started again');
  for (const status of answers.keys())
    if (/^5/.test(status) && status !== '503') faults.push(`an answer was ${status}`);
  for (const line of service.lines.slice(lines)) if (isOurFault(line)) faults.push(line);
  await until(async () => (await inProgress(service)) === 0, GONE_MS).catch(async () =>
    faults.push(`${await inProgress(service)} bodies were in progress for too long`),
  );
  faults.push(...(await behaveWell(service).catch((error: unknown) => [String(error)])));
  return { exchanges: options.requests, answers, faults };
}

/** The first numbers of neighbouring seeds are alike. */
function warm(seed: number): Random {
  const random = seededRandom(seed);
  for (let times = 0; times < 8; times += 1) random();
  return random;
}

async function givenTarget(service: Service): Promise<Target> {
  const response = await service.upload('target.txt', 'The tides rise and fall. '.repeat(20_000));
  const { id } = (await response.json()) as ShownDocument;
  return { apiKey: service.stack.apiKey, documentId: id };
}

const backendOf = ({ stack }: Service) => stack.processes.find(({ name }) => name === 'backend')?.pid;

/** Lines of level error, but of documents that could not be read. */
function isOurFault(line: string): boolean {
  return line.startsWith('backend') && line.includes('"level":"error"');
}

async function inProgress({ stack }: Service): Promise<number> {
  const series = await (await fetch(stack.metricsUrl)).text();
  const values = [...series.matchAll(/^http_bodies_in_progress\{[^}]*\} (\d+)/gm)].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value);
}

async function behaveWell(service: Service): Promise<string[]> {
  const upload = await service.upload('well-behaved.txt', `A client who behaves well: ${crypto.randomUUID()}`);
  if (upload.status !== 202) return [`a well-behaved upload was answered ${upload.status}`];
  const { status } = await service.settled(((await upload.json()) as ShownDocument).id);
  return status === 'completed' ? [] : [`a well-behaved upload ended ${status}`];
}

/** Plays one exchange. @returns the statuses of its answers, `none` where there are none. */
export function converse(url: string, { pieces, end, leaveMs }: Exchange): Promise<string[]> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }, async () => {
      for (const piece of pieces) {
        if (piece.length > 0) socket.write(piece);
        await setImmediate();
      }
      if (end === 'half-closed') socket.end();
      const leave = end === 'reset' ? () => resetSocket(socket) : () => socket.destroy();
      leaving = setTimeout(leave, leaveMs);
      if (end === 'answered') answered = leave;
    });
    let leaving: NodeJS.Timeout | undefined;
    let answered: (() => void) | undefined;
    socket.on('data', (piece) => {
      received.push(piece);
      // A refusal ends the connection by itself; any other answer is whole, or a stream.
      if (answered) setTimeout(answered, 5);
      answered = undefined;
    });
    socket.on('end', () => socket.end());
    // A server that refuses may reset what is still being sent to it.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(leaving);
      const statuses = [
        ...Buffer.concat(received)
          .toString('latin1')
          .matchAll(/^HTTP\/1\.1 (\d{3}) /gm),
      ];
      resolve(statuses.length === 0 ? ['none'] : statuses.map(([, status]) => String(status)));
    });
  });
}

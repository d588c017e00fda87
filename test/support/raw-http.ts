import { request } from 'node:http';
import { connect } from 'node:net';
import { json } from 'node:stream/consumers';

/** An answer as it came over the wire. */
export interface RawAnswer {
  status: number;
  headers: string;
  body: string;
  /** How many answers came on the connection. */
  answers: number;
}

/** Sends bytes that no HTTP client would, and waits until the server ends the connection. */
export function sendRaw(url: string, ...parts: string[]): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const socket = connect(
      Number(port),
      hostname,
      () => void socket.write(Buffer.concat(parts.map((part) => Buffer.from(part)))),
    );
    socket.on('data', (piece) => pieces.push(piece));
    // A server that refuses may reset what is still being sent to it.
    socket.on('error', (error) => (pieces.length === 0 ? reject(error) : undefined));
    socket.on('close', () => {
      const answer = Buffer.concat(pieces).toString();
      const [head = '', ...rest] = answer.split('\r\n\r\n');
      resolve({
        status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
        headers: head,
        body: rest.join('\r\n\r\n'),
        answers: answer.match(/^HTTP\/1\.1 (?!100)/gm)?.length ?? 0,
      });
    });
  });
}

export interface SentFrom {
  /** Address of this machine that the request comes from. */
  localAddress?: string;
  headers?: Record<string, string>;
}

/** Gets a JSON answer on a connection of its own, from an address of choice. */
export function getFrom(url: string, options: SentFrom) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Record<string, unknown> }>(
    (resolve, reject) => {
      const sent = request(url, { ...options, agent: false }, async (response) => {
        const body = (await json(response)) as Record<string, unknown>;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
      sent.once('error', reject).end();
    },
  );
}

import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { ParseAnswer, ParseRequest } from './parse-messages.ts';

/** Pipes of a parser's process, by their numbers. */
export const PIPES = { requests: 3, answers: 4 } as const;

/** A batch of chunks stays far below. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** What a parser says is taken as lines of JSON: Node's own channel would end this process over what it can't read. */
export interface ParserChannel {
  send(request: ParseRequest): void;
  /** @param listener gets undefined for what is no answer. */
  onAnswer(listener: (answer: ParseAnswer | undefined) => void): () => void;
}

/** The parent's side. That the process ended is heard of by the process, not here. */
export function openParserChannel(child: ChildProcess): ParserChannel {
  const listeners = new Set<(answer: ParseAnswer | undefined) => void>();
  const requests = child.stdio[PIPES.requests] as Writable | null;
  const answers = child.stdio[PIPES.answers] as Readable | null;
  requests?.on('error', () => undefined);
  answers?.on('error', () => undefined);
  const tell = (line: Buffer | undefined) => {
    const answer = line === undefined ? undefined : parsed(line);
    for (const listener of listeners) listener(answer);
  };
  let pending: Buffer[] = [];
  let size = 0;
  answers?.on('data', (data: Buffer) => {
    let rest = data;
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      tell(Buffer.concat([...pending, rest.subarray(0, end)]));
      rest = rest.subarray(end + 1);
      pending = [];
      size = 0;
    }
    pending.push(rest);
    size += rest.length;
    if (size <= MAX_LINE_BYTES) return;
    pending = [];
    size = 0;
    tell(undefined);
  });
  return {
    send: (request) => {
      for (const part of encodeRequest(request)) requests?.write(part);
    },
    onAnswer(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function parsed(line: Buffer): ParseAnswer | undefined {
  try {
    const answer: unknown = JSON.parse(line.toString());
    return typeof answer === 'object' && answer !== null && 'type' in answer ? (answer as ParseAnswer) : undefined;
  } catch {
    return undefined;
  }
}

/** Lengths of the head and of the document, the head as JSON, the document. */
function encodeRequest({ bytes, ...head }: ParseRequest): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(json.length, 0);
  lengths.writeUInt32LE(bytes.length, 4);
  return [lengths, json, bytes];
}

/** The parser's side: requests of a stream, as they are whole. */
export function onRequest(stream: Readable, listener: (request: ParseRequest) => void): void {
  let received: Buffer[] = [];
  let size = 0;
  stream.on('data', (data: Buffer) => {
    received.push(data);
    size += data.length;
    for (let whole = wholeRequest(received, size); whole !== undefined; whole = wholeRequest(received, size)) {
      received = [whole.rest];
      size = whole.rest.length;
      listener(whole.request);
    }
  });
}

function wholeRequest(received: Buffer[], size: number): { request: ParseRequest; rest: Buffer } | undefined {
  if (size < 8) return undefined;
  const [start = Buffer.alloc(0)] = received;
  const lengths = start.length >= 8 ? start : Buffer.concat(received);
  const head = 8 + lengths.readUInt32LE(0);
  const end = head + lengths.readUInt32LE(4);
  if (size < end) return undefined;
  const all = Buffer.concat(received);
  const request = { ...JSON.parse(all.toString('utf8', 8, head)), bytes: new Uint8Array(all.subarray(head, end)) };
  return { request, rest: all.subarray(end) };
}

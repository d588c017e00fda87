import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Random } from '../chaos/random.ts';
import { resetSocket } from '../support/reset-socket.ts';
import type { Service, ShownDocument } from '../support/service.ts';

/** Does one thing, as clients do that do not behave. */
export type Client = (service: Service, random: Random) => Promise<unknown>;

const COLLECTION = 'soak';
const words = (count: number) => `${randomUUID()} ${'of some words '.repeat(count / 3)}`;

/** Clients that hang up at any moment, and documents that are gone again at once. */
export const CLIENTS: Record<string, Client> = {
  'uploads cut': cutUpload,
  'uploads as JSON cut': cutJson,
  'streams opened and closed': openStream,
  'downloads cut': cutDownload,
  'searches left': leaveSearch,
  'documents deleted': deleteDocument,
};

/** Where there are documents to follow and to download. */
export async function prepareDocuments(service: Service): Promise<void> {
  for (let number = 0; number < 3; number += 1) {
    const { id } = await upload(service, words(30_000));
    await service.settled(id);
    kept.push(id);
  }
}

const kept: string[] = [];
const anyKept = (random: Random) => kept[Math.floor(random() * kept.length)] ?? '';

/** A door that is full may be tried again; one that stays shut ends the run. */
async function upload(service: Service, text: string, tries = 30): Promise<ShownDocument> {
  const response = await service.upload('soak.txt', text, { collection: COLLECTION });
  if (response.status === 429 && tries > 1) {
    await setTimeout(1_000);
    return upload(service, text, tries - 1);
  }
  if (!response.ok) throw new Error(`an upload was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as ShownDocument;
}

function cutUpload(service: Service, random: Random): Promise<void> {
  const boundary = 'soak';
  const field = (disposition: string, content: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
  const file = field('name="file"; filename="soak.txt"', words(Math.floor(random() * 30_000)));
  const body = `${field('name="collection"', COLLECTION)}${file}--${boundary}--\r\n`;
  return cutRequest(service, random, { type: `multipart/form-data; boundary=${boundary}`, body });
}

function cutJson(service: Service, random: Random): Promise<void> {
  const body = JSON.stringify({
    name: 'soak.txt',
    content: words(Math.floor(random() * 3_000)),
    collection: COLLECTION,
  });
  return cutRequest(service, random, { type: 'application/json', body });
}

/** Sends a part of a request, of any length, and hangs up. */
async function cutRequest(
  service: Service,
  random: Random,
  { type, body }: { type: string; body: string },
): Promise<void> {
  const { hostname, port } = new URL(service.stack.apiUrl);
  const head =
    `POST /api/v1/documents HTTP/1.1\r\nHost: ${hostname}\r\nX-API-Key: ${service.stack.apiKey}\r\n` +
    `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const request = head + body;
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  await once(socket, 'connect');
  // Not the last byte: then it would be a document.
  socket.write(request.slice(0, Math.floor(random() * (request.length - 1))));
  await setTimeout(random() * 30);
  random() < 0.5 ? socket.destroy() : resetSocket(socket);
}

async function openStream(service: Service, random: Random): Promise<void> {
  const { id } = random() < 0.5 ? { id: anyKept(random) } : await upload(service, words(30));
  await hangUpOn(service, `/api/v1/documents/${id}/events`, random() * 100);
}

function cutDownload(service: Service, random: Random): Promise<void> {
  return hangUpOn(service, `/api/v1/documents/${anyKept(random)}/content`, random() * 20);
}

function leaveSearch(service: Service, random: Random): Promise<void> {
  return hangUpOn(service, '/api/v1/search', random() * 60, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `some words ${random()}`, collection: COLLECTION }),
  });
}

/** Reads until then, and no further. */
async function hangUpOn(service: Service, path: string, afterMs: number, init: RequestInit = {}): Promise<void> {
  const signal = AbortSignal.timeout(Math.floor(afterMs));
  const response = await service.call(path, { ...init, signal }).catch(() => undefined);
  await response?.arrayBuffer().catch(() => undefined);
}

/** While it waits, is worked on, or is done. */
async function deleteDocument(service: Service, random: Random): Promise<void> {
  const { id } = await upload(service, words(Math.floor(random() * 3_000)));
  await setTimeout(random() * 1_000);
  const response = await service.call(`/api/v1/documents/${id}`, { method: 'DELETE' });
  if (response.status !== 204) throw new Error(`a deletion was answered ${response.status}`);
}

import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Service, ShownDocument } from '../support/service.ts';
import { pick, type Random } from './random.ts';

/** A document that was answered 202. All of them can be read. */
export interface Accepted {
  id: string;
  name: string;
  /** A word that stands in no other document; none in those that are not text. */
  word: string | undefined;
  collection: string;
}

export interface UploadOptions {
  random: Random;
  perSecond: number;
  /** How long embedding takes of each of the long documents, in s; the next one comes when it is done. */
  longSeconds: number;
  signal: AbortSignal;
}

const LIBRARY = new URL('../fixtures/library/', import.meta.url);
/** Of a long document: about as much as the provider embeds in a second. */
const PARAGRAPHS_PER_SECOND = 50;

/**
 * Uploads documents of all formats at a steady rate until `signal`, and one long text after the other, whatever
 * happens meanwhile.
 * @returns those that were accepted, and how many uploads were turned away or not answered.
 */
export async function uploadSteadily(
  service: Service,
  options: UploadOptions,
): Promise<{ accepted: Accepted[]; refused: number }> {
  const accepted: Accepted[] = [];
  let refused = 0;
  const send = async (draft: Draft): Promise<string | undefined> => {
    try {
      const response = await service.upload(draft.name, draft.content, { collection: draft.collection });
      if (response.status !== 202) throw new Error(`answered ${response.status}`);
      const { id } = (await response.json()) as ShownDocument;
      const { name, word, collection } = draft;
      accepted.push({ id, name, word, collection });
      return id;
    } catch {
      refused += 1;
      return undefined;
    }
  };
  await Promise.all([sendShort(send, options), sendLong(send, service, options)]);
  return { accepted, refused };
}

type Send = (draft: Draft) => Promise<string | undefined>;

async function sendShort(send: Send, { random, perSecond, signal }: UploadOptions): Promise<void> {
  const files = await binaryFixtures();
  const pending: Promise<unknown>[] = [];
  for (let number = 0; !signal.aborted; number += 1) {
    pending.push(send(shortDocument(number, random, files)));
    await pause(1000 / perSecond, signal);
  }
  await Promise.all(pending);
}

async function sendLong(send: Send, service: Service, { longSeconds, signal }: UploadOptions): Promise<void> {
  for (let number = 0; !signal.aborted; number += 1) {
    const id = await send(longDocument(number, longSeconds));
    while (id !== undefined && !signal.aborted && !(await isDone(service, id))) await pause(1_000, signal);
    await pause(1_000, signal);
  }
}

async function isDone(service: Service, id: string): Promise<boolean> {
  const shown = await service.document(id).catch(() => undefined);
  return ['completed', 'failed'].includes(shown?.status ?? '');
}

const pause = (ms: number, signal: AbortSignal) => setTimeout(ms, undefined, { signal }).catch(() => undefined);

interface Draft {
  name: string;
  content: string | Uint8Array;
  word: string | undefined;
  collection: string;
}

function longDocument(number: number, seconds: number): Draft {
  const word = `chaoslongword${number}x`;
  const paragraphs = Array.from(
    { length: seconds * PARAGRAPHS_PER_SECOND },
    (_, index) => `Paragraph ${index} of ${word}. ${`It has many words ${index % 97}. `.repeat(30)}`,
  );
  return { name: `long-${number}.txt`, content: paragraphs.join('\n\n'), word, collection: 'chaos' };
}

function shortDocument(number: number, random: Random, files: readonly { name: string; bytes: Uint8Array }[]): Draft {
  const word = `chaosword${number}x${Math.floor(random() * 1e9).toString(36)}`;
  const paragraph = Array.from({ length: 5 + Math.floor(random() * 120) }, (_, index) => `Line ${index} of ${word}.`);
  const text = paragraph.join(' ');
  const texts = [
    { name: `${number}.txt`, content: text },
    { name: `${number}.md`, content: `# ${word}\n\n${text}` },
    { name: `${number}.html`, content: `<html><body><h1>${word}</h1><p>${text}</p></body></html>` },
    { name: `${number}.json`, content: JSON.stringify({ [word]: paragraph }) },
    { name: `${number}.csv`, content: `name,line\n${paragraph.map((line) => `${word},${line}`).join('\n')}` },
  ];
  // One in five is a file, in a collection of its own, where its bytes are new.
  if (random() < 0.2 && files.length > 0) {
    const { name, bytes } = pick(random, files);
    return { name, content: bytes, word: undefined, collection: `chaos-${number}` };
  }
  return { ...pick(random, texts), word, collection: 'chaos' };
}

async function binaryFixtures(): Promise<{ name: string; bytes: Uint8Array }[]> {
  const names = (await readdir(LIBRARY)).filter((name) => /\.(pdf|docx|xlsx|pptx)$/.test(name));
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(new URL(name, LIBRARY)) })));
}

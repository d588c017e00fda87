import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Service, ShownDocument } from '../support/service.ts';
import { pick, type Random } from './random.ts';

/** A document that was answered 202. */
export interface Accepted {
  id: string;
  /** A word that stands in no other document; none in those that are not text. */
  word: string | undefined;
  collection: string;
}

const LIBRARY = new URL('../fixtures/library/', import.meta.url);

/**
 * Uploads documents of all formats at a steady rate until `signal`, whatever happens meanwhile.
 * @returns those that were accepted, and how many uploads were turned away or not answered.
 */
export async function uploadSteadily(
  service: Service,
  options: { random: Random; perSecond: number; signal: AbortSignal },
): Promise<{ accepted: Accepted[]; refused: number }> {
  const accepted: Accepted[] = [];
  let refused = 0;
  const files = await binaryFixtures();
  const pending: Promise<void>[] = [];
  for (let number = 0; !options.signal.aborted; number += 1) {
    const document = documentOf(number, options.random, files);
    const sent = service
      .upload(document.name, document.content, { collection: document.collection })
      .then(async (response) => {
        if (response.status !== 202) throw new Error(`answered ${response.status}`);
        accepted.push({ id: ((await response.json()) as ShownDocument).id, ...document });
      });
    const counted = sent.catch(() => {
      refused += 1;
    });
    pending.push(counted);
    await setTimeout(1000 / options.perSecond, undefined, { signal: options.signal }).catch(() => undefined);
  }
  await Promise.all(pending);
  return { accepted, refused };
}

interface Draft {
  name: string;
  content: string | Uint8Array;
  word: string | undefined;
  collection: string;
}

function documentOf(number: number, random: Random, files: readonly { name: string; bytes: Uint8Array }[]): Draft {
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

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FORMATS, formatOfName } from '../../src/documents/formats.ts';
import type { DemoClient, DemoDocument } from './demo-client.ts';
import { progressBar } from './progress-bar.ts';

/** What became of one document. */
export interface DemoOutcome {
  document: DemoDocument;
  status: string;
  /** Why it failed. */
  reason: string | undefined;
}

/** Share of the bar that is full when a stage begins; processing ends with `store`. */
const STAGE_STARTS: Record<string, number> = { fetch: 0.1, parse: 0.15, embed: 0.3, store: 0.9 };

/** Names of a folder's documents; pictures are among them only where they can be read. */
export async function libraryNames(folder: string, { ocr }: { ocr: boolean }): Promise<string[]> {
  const isWanted = (name: string) => {
    const format = formatOfName(name);
    return name !== 'README.md' && format !== undefined && (ocr || !('ocr' in FORMATS[format]));
  };
  return (await readdir(folder)).filter(isWanted).sort();
}

/** Uploads documents of a folder, and draws a bar until each is searchable or has failed. */
export async function uploadLibrary(
  folder: string,
  names: readonly string[],
  client: DemoClient,
): Promise<DemoOutcome[]> {
  const bar = progressBar(names.length);
  const outcomes: Promise<DemoOutcome>[] = [];
  for (const name of names) {
    bar.update(name, 0, 'uploading');
    const document = await upload({ name, bytes: await readFile(join(folder, name)) }, client);
    const outcome = untilOutcome(document, client, (fraction, stage) => bar.update(name, fraction, stage)).then(
      (result) => {
        bar.end(name, describe(result));
        return result;
      },
    );
    // Its failure is seen below, when all uploads are made.
    outcome.catch(() => undefined);
    outcomes.push(outcome);
  }
  const all = await Promise.all(outcomes);
  bar.finish();
  return all;
}

/** One that failed in an earlier run is processed again: it may have been stopped half-way, or be mended since. */
async function upload(file: Parameters<DemoClient['upload']>[0], client: DemoClient): Promise<DemoDocument> {
  const document = await client.upload(file);
  return document.status === 'failed' ? client.reprocess(document.id) : document;
}

/** Follows one document until its outcome. */
export async function untilOutcome(
  document: DemoDocument,
  client: DemoClient,
  onProgress: (fraction: number, stage: string) => void = () => undefined,
): Promise<DemoOutcome> {
  const end = await client.follow(document.id, ({ status, progress }) => {
    const fraction = STAGE_STARTS[progress.stage] ?? 0.05;
    if (status !== 'completed')
      onProgress(fraction + (progress.stage === 'embed' ? progress.percent * 0.006 : 0), progress.stage);
  });
  return {
    document: { ...document, chunks: end.chunks },
    status: end.status,
    reason: end.error && `${end.error.code}, ${end.error.message}`,
  };
}

function describe({ document, status, reason }: DemoOutcome): string {
  if (status === 'failed') return `failed (${reason})`;
  return `${document.chunks} ${document.chunks === 1 ? 'chunk' : 'chunks'}${document.duplicate ? ', was there already' : ''}`;
}

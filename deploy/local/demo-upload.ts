import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Uploads every document of a folder, and draws a bar until each is searchable or has failed. */
export async function uploadLibrary(folder: string, client: DemoClient): Promise<DemoOutcome[]> {
  const names = (await readdir(folder)).filter((name) => name !== 'README.md' && !name.startsWith('.')).sort();
  const bar = progressBar(names.length);
  const outcomes: Promise<DemoOutcome>[] = [];
  for (const name of names) {
    bar.update(name, 0, 'uploading');
    const document = await client.upload({ name, bytes: await readFile(join(folder, name)) });
    // Left by an earlier run: it may have been stopped half-way, or be mended since.
    if (document.status === 'failed') await client.reprocess(document.id);
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

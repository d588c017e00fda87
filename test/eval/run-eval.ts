import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Api, call, forEach } from './api-client.ts';
import { mean, qualityOf, quantile } from './metrics.ts';
import type { TestCollection } from './test-collection.ts';

type Print = (line: string) => void;

const MODES = ['keyword', 'vector', 'hybrid'] as const;

const document = z.object({ id: z.string() });
const page = z.object({ items: z.array(z.object({ name: z.string(), error: z.unknown().optional() })) });
const answer = z.object({
  results: z.array(z.object({ documentId: z.string() })),
  explain: z.object({ embedMs: z.number(), sqlMs: z.number() }),
});

/**
 * Loads a collection of texts into a collection of the API's, asks all its questions in each mode, and
 * deletes it again, whatever happens. Prints a line a mode, and where the time went.
 */
export async function runEval(
  api: Api,
  given: TestCollection,
  { name, print }: { name: string; print: Print },
): Promise<void> {
  const names = new Map<string, string[]>();
  try {
    await ingest(api, given, { name, names, print });
    for (const mode of MODES) await searchAll(api, given, { name, names, mode, print });
  } finally {
    // Also after an interruption, so without its signal.
    const cleanUp = { ...api, signal: AbortSignal.timeout(600_000) };
    await forEach([...names.keys()], async (id) => {
      await call(cleanUp, { method: 'DELETE', path: `/api/v1/documents/${id}`, expected: [204, 404] });
    });
  }
}

/** @param options.names filled: the given names of each document; two where their texts are equal. */
async function ingest(
  api: Api,
  { docs }: TestCollection,
  { name, names, print }: { name: string; names: Map<string, string[]>; print: Print },
): Promise<void> {
  const started = performance.now();
  let empty = 0;
  await forEach(docs, async ({ id, title, text }) => {
    const content = title === '' ? text : `${title}\n\n${text}`;
    const body = { name: id, content, format: 'txt', collection: name, metadata: { docId: id } };
    const uploaded = await call(api, { method: 'POST', path: '/api/v1/documents', body, expected: [200, 202, 422] });
    if (uploaded.status === 422) {
      empty += 1;
      return;
    }
    const { id: documentId } = document.parse(uploaded.body);
    names.set(documentId, [...(names.get(documentId) ?? []), id]);
  });
  print(`upload   ${seconds(started)} s for ${docs.length} documents, ${empty} of them empty`);
  while ((await anyWith(api, { name, status: 'queued' })) || (await anyWith(api, { name, status: 'processing' })))
    await delay(500, undefined, { signal: api.signal });
  const failed = await anyWith(api, { name, status: 'failed' });
  if (failed) throw new Error(`a document failed: ${JSON.stringify(failed)}`);
  print(`ingest   ${seconds(started)} s from the first upload until all were searchable`);
}

/** One of the documents with a status, if there is any. */
async function anyWith(api: Api, { name, status }: { name: string; status: string }) {
  const path = `/api/v1/documents?collection=${name}&status=${status}&limit=1`;
  return page.parse((await call(api, { method: 'GET', path, expected: [200] })).body).items[0];
}

async function searchAll(
  api: Api,
  { queries, judgements }: TestCollection,
  { name, names, mode, print }: { name: string; names: Map<string, string[]>; mode: string; print: Print },
): Promise<void> {
  const qualities = [];
  const times = { total: [] as number[], embed: [] as number[], sql: [] as number[] };
  for (const { id, text } of queries) {
    const started = performance.now();
    const body = { query: text, limit: 100, mode, collection: name, explain: true };
    const found = await call(api, { method: 'POST', path: '/api/v1/search', body, expected: [200] });
    times.total.push(performance.now() - started);
    const { results, explain } = answer.parse(found.body);
    times.embed.push(explain.embedMs);
    times.sql.push(explain.sqlMs);
    // A document stands where its best chunk does.
    const ranking = [...new Set(results.map(({ documentId }) => documentId))].flatMap(
      (found) => names.get(found) ?? [],
    );
    qualities.push(qualityOf(ranking, judgements.get(id) ?? new Map()) ?? []);
  }
  const judged = qualities.flat();
  const ndcg = mean(judged.map(({ ndcgAt10 }) => ndcgAt10)).toFixed(3);
  const recall = mean(judged.map(({ recallAt100 }) => recallAt100)).toFixed(3);
  print(`${mode} nDCG@10 ${ndcg} recall@100 ${recall}`);
  print(`         search ${spread(times.total)}, of it embedding ${spread(times.embed)}, SQL ${spread(times.sql)}`);
}

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1);

const spread = (ms: readonly number[]): string =>
  `p50 ${quantile(ms, 0.5).toFixed(1)} p95 ${quantile(ms, 0.95).toFixed(1)} ms`;

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Finding, fail, ok, warn } from './finding.ts';

const COLLECTION = 'preflight';
/** The objectives of the service. */
const SEARCHABLE_MS = 60_000;
const SEARCH_MS = 500;
const SEARCHES = 5;
const REQUEST_MS = 30_000;
/** One request a second stays below the default rate limit. */
const POLL_MS = 1_000;

const documentSchema = z.object({
  id: z.string(),
  status: z.string(),
  error: z.object({ code: z.string() }).optional(),
});
const foundSchema = z.object({ results: z.array(z.object({ documentId: z.string() })) });

/** Uploads a small document, finds it, and deletes it again. */
export async function tryDocument(api: { url: string; key: string }): Promise<Finding[]> {
  // Its own word, so that it is neither taken for an earlier one nor found by chance.
  const word = `preflight${randomUUID().replaceAll('-', '')}`;
  const started = performance.now();
  const content = `The word of this document is ${word}.`;
  const body = { name: 'preflight.txt', content, format: 'txt', collection: COLLECTION };
  const { id } = documentSchema.parse(await call(api, 'POST', '/api/v1/documents', body));
  try {
    const outcome = await settled(api, id, started + SEARCHABLE_MS);
    if (outcome !== 'completed')
      return [fail(`a document is ${outcome}`, 'dashboard Ingestion, and logs of ai-worker')];
    return [ok(`a document is searchable after ${seconds(started)} s`), await search(api, { id, word })];
  } finally {
    await call(api, 'DELETE', `/api/v1/documents/${id}`);
  }
}

async function settled(api: { url: string; key: string }, id: string, deadline: number): Promise<string> {
  for (;;) {
    const { status, error } = documentSchema.parse(await call(api, 'GET', `/api/v1/documents/${id}`));
    if (status === 'completed') return status;
    if (status === 'failed') return `failed with ${error?.code}`;
    if (performance.now() > deadline) return `still ${status} after ${SEARCHABLE_MS / 1000} s`;
    await delay(POLL_MS);
  }
}

async function search(api: { url: string; key: string }, wanted: { id: string; word: string }): Promise<Finding> {
  const times: number[] = [];
  for (let count = 0; count < SEARCHES; count++) {
    const started = performance.now();
    const body = { query: wanted.word, collection: COLLECTION, limit: 3 };
    const { results } = foundSchema.parse(await call(api, 'POST', '/api/v1/search', body));
    times.push(performance.now() - started);
    if (results[0]?.documentId !== wanted.id)
      return fail('the document is not found', 'dashboard Search, and logs of backend');
  }
  const median = times.toSorted((a, b) => a - b)[Math.floor(SEARCHES / 2)] ?? 0;
  const what = `it is found within ${Math.round(median)} ms (median of ${SEARCHES} searches)`;
  return median < SEARCH_MS ? ok(what) : warn(what, 'deploy/runbooks/slo-search-latency.md');
}

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1);

/** Calls the API. Where it asks for patience it gets it once. */
async function call(api: { url: string; key: string }, method: string, path: string, body?: unknown): Promise<unknown> {
  const send = () =>
    fetch(new URL(path, api.url), {
      method,
      headers: { 'X-API-Key': api.key, 'Content-Type': 'application/json' },
      signal: AbortSignal.timeout(REQUEST_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  let response = await send();
  if (response.status === 429) {
    await delay(Number(response.headers.get('retry-after') ?? 1) * 1000);
    response = await send();
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status} ${text.slice(0, 200)}`);
  return text === '' ? undefined : JSON.parse(text);
}

/**
 * Clients of a deployment, while something is done to it: some twenty requests a second, texts of minutes in work, and
 * somebody who follows one by its events. On SIGTERM it sees to every document and prints what failed; its exit status is
 * 1 where anything did.
 *   KEY=… node test/deploy/load.ts http://127.0.0.1:80
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

const [base = 'http://127.0.0.1:3000'] = process.argv.slice(2);
const headers = { 'x-api-key': process.env['KEY'] ?? '' };
const json = { ...headers, 'content-type': 'application/json' };
const failed: string[] = [];
const documents: string[] = [];
let requests = 0;
let isEnding = false;
process.once('SIGTERM', () => {
  isEnding = true;
});

/** One request, counted; nothing is tried again. */
async function ask(path: string, init: RequestInit = { headers }): Promise<unknown> {
  requests += 1;
  const at = new Date().toISOString();
  try {
    const response = await fetch(new URL(path, base), { ...init, signal: AbortSignal.timeout(30_000) });
    const body: unknown = await response.json();
    if (response.ok) return body;
    failed.push(`${at} ${init.method ?? 'GET'} ${path}: ${response.status} ${JSON.stringify(body).slice(0, 120)}`);
  } catch (error) {
    const { message, cause } = error as Error;
    failed.push(`${at} ${init.method ?? 'GET'} ${path}: ${message} ${cause ?? ''}`);
  }
  return undefined;
}

async function upload(text: string): Promise<string | undefined> {
  const body = JSON.stringify({ name: 'load.txt', content: `${text} ${randomUUID()}` });
  const answer = (await ask('/api/v1/documents', { method: 'POST', headers: json, body })) as
    | { id: string }
    | undefined;
  if (answer) documents.push(answer.id);
  return answer?.id;
}

const long = Array.from(
  { length: 400 },
  (_, index) => `Paragraph ${index}. ${'The harbour is surveyed at low water. '.repeat(20)}`,
);
const uploadLong = () => upload(long.join('\n\n'));

async function repeat(everyMs: number, work: () => Promise<unknown>): Promise<void> {
  while (!isEnding) await Promise.all([work(), delay(everyMs)]);
}

/** Follows a document to its end, over every break of the connection. @returns how often it connected. */
async function follow(id: string): Promise<number> {
  for (let connections = 1; ; connections += 1) {
    try {
      const response = await fetch(new URL(`/api/v1/documents/${id}/events`, base), { headers });
      let told = '';
      for await (const part of response.body ?? []) told += Buffer.from(part).toString();
      if (/"status":"(completed|failed)"/.test(told)) return connections;
    } catch {
      // A stream may break; its client comes again.
    }
    await delay(500);
  }
}

const connections: number[] = [];
/** One long text after the other, so that at any time somebody follows one. */
async function followLong(): Promise<void> {
  const id = await uploadLong();
  if (id) connections.push(await follow(id));
}

await Promise.all([
  repeat(100, () => ask('/api/v1/stats')),
  repeat(400, () => upload('a short text')),
  repeat(300, () => ask('/api/v1/search', { method: 'POST', headers: json, body: '{"query":"harbour","limit":3}' })),
  repeat(1_000, followLong),
  repeat(15_000, uploadLong),
]);

let lost = 0;
const attempts: Record<number, number> = {};
for (const id of documents)
  for (;;) {
    const shown = (await ask(`/api/v1/documents/${id}`)) as { status: string; attempts: number } | undefined;
    if (shown && !['completed', 'failed'].includes(shown.status)) {
      await delay(500);
      continue;
    }
    if (shown?.status === 'completed') attempts[shown.attempts] = (attempts[shown.attempts] ?? 0) + 1;
    else lost += 1;
    break;
  }
for (const line of failed) process.stdout.write(`${line}\n`);
process.stdout.write(
  `requests ${requests}, failed ${failed.length}; documents ${documents.length}, lost ${lost}, by attempts ${JSON.stringify(attempts)}; ` +
    `followed ${connections.length}, with up to ${Math.max(0, ...connections)} connections each\n`,
);
process.exitCode = failed.length + lost > 0 ? 1 : 0;

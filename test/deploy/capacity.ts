/**
 * What documents cost: bytes of Postgres, and time of a worker, for each chunk of a test collection
 * (`docs.jsonl`, as `npm run eval` reads it). On the Postgres of TEST_DATABASE_URL, else on the embedded one.
 *   node test/deploy/capacity.ts <folder>
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { openEmbedder } from '../../src/embeddings/open-embedder.ts';
import { forEach } from '../eval/api-client.ts';
import { readTestCollection } from '../eval/test-collection.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Enough for a rate that no longer changes, and done within half a minute. */
const EMBEDDED = 300;

const print = (name: string, value: string) => process.stdout.write(`${name.padEnd(36)} ${value}\n`);

interface Chunks {
  count: number;
  tokens: number;
  texts: string[];
}

const folder = process.argv[2];
if (folder === undefined) throw new Error('Say which test collection: node test/deploy/capacity.ts <folder>');
const { docs } = await readTestCollection(folder);
const service = await startService({ OTEL_TRACES_EXPORTER: 'none', LOG_LEVEL: 'error' });
try {
  const started = performance.now();
  await forEach(docs, async ({ id, title, text }) => {
    await service.upload(`${id}.txt`, `${title}\n\n${text}`);
  });
  // Not often: asking takes from what is measured.
  while ((await anyWith('queued')) || (await anyWith('processing'))) await delay(1_000);
  const seconds = (performance.now() - started) / 1000;
  const chunks = await measureDatabase(service.stack.databaseUrl);
  print('a worker, chunks a second', (chunks.count / seconds).toFixed(0));
  await measureProcesses(service);
  await measureEmbedder(chunks.texts);
} finally {
  await service.stop();
}

async function anyWith(status: string): Promise<boolean> {
  const response = await service.call(`/api/v1/documents?status=${status}&limit=1`);
  return ((await response.json()) as { items: unknown[] }).items.length > 0;
}

async function measureDatabase(url: string): Promise<Chunks> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Chunks>(
      `SELECT count(*)::int AS count, avg(tokens)::int AS tokens,
         (array_agg(text ORDER BY id))[1:${EMBEDDED}] AS texts FROM chunks`,
    );
    const [chunks = { count: 0, tokens: 0, texts: [] }] = rows;
    print('chunks', `${chunks.count} of ${docs.length} documents, ${chunks.tokens} tokens each`);
    const sizes = await client.query<{ name: string; bytes: string }>(
      `SELECT relname AS name, CASE relkind WHEN 'i' THEN pg_relation_size(oid) ELSE pg_table_size(oid) END AS bytes
       FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
         AND relname ~ '^(chunks|lexeme|corpus)' ORDER BY 2 DESC`,
    );
    const total = sizes.rows.reduce((sum, { bytes }) => sum + Number(bytes), 0);
    print('bytes a chunk', (total / chunks.count).toFixed(0));
    for (const { name, bytes } of sizes.rows)
      if (Number(bytes) > total / 100) print(`  ${name}`, (Number(bytes) / chunks.count).toFixed(0));
    return chunks;
  } finally {
    await client.end();
  }
}

async function measureProcesses({ stack }: Service): Promise<void> {
  for (const { name, pid } of stack.processes) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const [now, peak] = ['VmRSS', 'VmHWM'].map(
      (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024,
    );
    if (now) print(`memory of ${name}, MB`, `${now.toFixed(0)}, at most ${peak?.toFixed(0)}`);
  }
}

/** The local model by itself, on one thread. */
async function measureEmbedder(texts: string[]): Promise<void> {
  await using cache = await temporaryFolder();
  const embedder = await openEmbedder({ provider: 'local', cacheDir: cache.path });
  try {
    await embedder.embed(texts.slice(0, 10), { purpose: 'document' });
    // In time of the CPU: others may be using it too.
    const before = process.cpuUsage();
    await embedder.embed(texts, { purpose: 'document' });
    const { user, system } = process.cpuUsage(before);
    print('embedding, chunks a second and core', (texts.length / ((user + system) / 1e6)).toFixed(0));
  } finally {
    await embedder.close();
  }
}

/**
 * `npm run eval -- <folder>`: how good the search is on a test collection (`docs.jsonl`,
 * `queries.jsonl`, `qrels.jsonl`), through the API of RAGBASE_URL with the key of API_KEY, or else of
 * a service of its own that is gone afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { startStack } from '../../deploy/local/stack.ts';
import type { Api } from './api-client.ts';
import { runEval } from './run-eval.ts';
import { readTestCollection } from './test-collection.ts';

const print = (line: string) => void process.stdout.write(`${line}\n`);

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('Say which test collection: npm run eval -- <folder>\n');
  process.exit(2);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));

try {
  const given = await readTestCollection(folder);
  const name = `eval-${basename(resolve(folder)).replaceAll(/[^A-Za-z0-9]/g, '-')}-${Date.now().toString(36)}`;
  await withService((api) => runEval(api, given, { name, print }));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function withService(work: (api: Api) => Promise<void>): Promise<void> {
  const { signal } = interrupted;
  const { RAGBASE_URL: url, API_KEY: keys } = process.env;
  if (url) return work({ url, key: keys?.split(',')[0]?.trim() ?? '', signal });
  const dataDir = await mkdtemp(join(tmpdir(), 'ragbase-eval-'));
  try {
    const env = { ...process.env, RATE_LIMIT_MAX: '1000000', OTEL_TRACES_EXPORTER: 'none' };
    const stack = await startStack({ dataDir, env, ports: 'free', stopSignal: signal });
    try {
      await work({ url: stack.apiUrl, key: stack.apiKey, signal });
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** `npm run reembed`: embeds every stored chunk anew, after the embedding model was changed. */
import { resolve } from 'node:path';
import { embedderOptions } from '../../src/embeddings/embedder-options.ts';
import { openEmbedder } from '../../src/embeddings/open-embedder.ts';
import { reembed } from '../../src/embeddings/reembed.ts';
import { openLogger } from '../../src/platform/logger.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { openPostgres } from '../../src/platform/postgres.ts';
import { openDataFolder } from './data-folder.ts';
import { superviseServer } from './embedded-server.ts';
import { readEnvironment } from './launch.ts';
import { explain } from './launch-error.ts';
import { progressBar } from './progress-bar.ts';
import { ROOT } from './root.ts';
import { planStack, type StackPlan, stopTimeout } from './stack-plan.ts';
import { print, printError, printLine } from './terminal.ts';

process.umask(0o077);
const { env, dataDir } = readEnvironment();
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
process.exit(await main());

/** @returns the exit status. */
async function main(): Promise<number> {
  await using closers = new AsyncDisposableStack();
  try {
    const onNote = (text: string) => printLine({ name: 'ragbase', text });
    const folder = await openDataFolder(dataDir, { onNote, waitMs: 10_000 });
    closers.defer(() => folder.release());
    const plan = await planStack({ dataDir, env, ports: 'free' });
    await startPostgres(plan, closers);
    await embedAnew(plan, closers);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) print('\nStopped. The next run goes on from here.');
    else printError(explain(error, dataDir));
    return 1;
  }
}

/** Nothing, where DATABASE_URL names an outside one. */
async function startPostgres(plan: StackPlan, closers: AsyncDisposableStack): Promise<void> {
  if (plan.postgresPort === undefined) return;
  const postgres = superviseServer(
    { name: 'postgres', port: plan.postgresPort, dataDir, password: plan.embeddedPassword, env: plan.backend.env },
    { onLine: printLine, onSpawn: () => undefined, stopTimeoutMs: stopTimeout(plan) },
  );
  closers.defer(async () => {
    await postgres.stop();
  });
  await postgres.firstReady;
}

async function embedAnew({ backend: { config } }: StackPlan, closers: AsyncDisposableStack): Promise<void> {
  const logger = openLogger({ service: 'ragbase-reembed', version: '', level: 'warn', format: 'pretty' });
  const pool = openPostgres({ url: config.DATABASE_URL, poolSize: config.DATABASE_POOL_SIZE, logger });
  closers.defer(() => pool.end());
  await migrate(pool, { directory: resolve(ROOT, 'src/migrations'), logger });
  const embedder = await openEmbedder(embedderOptions(config));
  closers.defer(() => embedder.close());
  const { provider, model } = embedder;
  print(`Embedding with ${model} (${provider})`);
  const bar = progressBar(1);
  let chunks = 0;
  await reembed({
    pool,
    embedder,
    signal: stopping.signal,
    onProgress: ({ done, total }) => {
      chunks = total;
      bar.update('chunks', total === 0 ? 1 : done / total, `embedded ${done} of ${total}`);
    },
  });
  bar.end('chunks', `${chunks} embedded`);
  bar.finish();
}

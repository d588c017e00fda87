/** The ai-worker: takes jobs, and opens the files that nobody else does. It knows no database. */
import { hostname } from 'node:os';
import { telemetry } from '../telemetry/register.ts';
import { createBackendClient } from './ai-worker/backend-client.ts';
import { openLanes } from './ai-worker/lanes.ts';
import { openParsePool } from './ai-worker/parse-pool.ts';
import { processDocument } from './ai-worker/process-document.ts';
import { createWorkerApp } from './app.ts';
import { readConfig } from './config.ts';
import { embedderOptions } from './embeddings/embedder-options.ts';
import { openEmbedder } from './embeddings/open-embedder.ts';
import { createReadiness } from './health/readiness.ts';
import { listen } from './platform/http-server.ts';
import { run } from './platform/run.ts';
import { VERSION } from './platform/version.ts';

await run({ service: 'ragbase-ai-worker', telemetry, readConfig: () => readConfig('worker') }, async (parts) => {
  const { config, logger, lifecycle } = parts;
  const concurrency = { fast: config.WORKER_CONCURRENCY_FAST, heavy: config.WORKER_CONCURRENCY_HEAVY };
  const backend = createBackendClient({
    url: config.CALLBACK_URL,
    token: config.INTERNAL_TOKEN,
    worker: `${hostname()}-${process.pid}-${Date.now().toString(36)}`,
    patienceMs: 60_000,
  });
  const readiness = createReadiness({
    probes: { backend: () => backend.ping(1_500), redis: () => lanes.ready(), queue: () => lanes.ready() },
    vital: ['redis', 'queue'],
    lifecycle,
    timeoutMs: 2_000,
    cacheMs: 1_000,
    version: VERSION,
  });
  const app = createWorkerApp({ readiness, serveMetrics: telemetry.serveMetrics, logger });
  const port = await listen(app, {
    name: 'health server',
    host: config.HOST,
    port: config.WORKER_PORT,
    lifecycle,
    requestTimeoutMs: 30_000,
  });

  const embedder = await openEmbedder(embedderOptions(config));
  lifecycle.onClose('embedder', () => embedder.close());
  const parsePool = openParsePool({
    concurrency: concurrency.fast + concurrency.heavy,
    timeoutMs: 120_000,
    memoryMb: 1024,
    ocr: config.OCR_ENABLED,
  });
  lifecycle.onClose('parsers', () => parsePool.close());
  const deps = { backend, parsePool, embedder, logger };
  const lanes = openLanes({
    redisUrl: config.REDIS_URL,
    concurrency,
    logger,
    lifecycle,
    onJob: (job, signal) => processDocument(job, signal, deps),
  });
  logger.info('ready', { port });
});

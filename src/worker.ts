/** The ai-worker: takes jobs, and opens the files that nobody else does. It knows no database. */
import { hostname } from 'node:os';
import { telemetry } from '../telemetry/register.ts';
import { watchAgreement } from './ai-worker/agreement.ts';
import { createBackendClient } from './ai-worker/backend-client.ts';
import { openHandsForOthers } from './ai-worker/hands-for-others.ts';
import { createInHand } from './ai-worker/in-hand.ts';
import { openLanes } from './ai-worker/lanes.ts';
import { openParsers } from './ai-worker/open-parsers.ts';
import { processInOwnTrace, processJob } from './ai-worker/process-document.ts';
import { type ProgressWatch, watchProgress } from './ai-worker/progress-watch.ts';
import { createProviderGate } from './ai-worker/provider-gate.ts';
import { forwardErrors } from './alerting/forward-errors.ts';
import { createWorkerApp } from './app.ts';
import { embeddingKey, keySource, readConfig, redisUrl } from './config.ts';
import { LANES, type Lane } from './documents/formats.ts';
import { embedderOptions } from './embeddings/embedder-options.ts';
import { openEmbedder } from './embeddings/open-embedder.ts';
import { watchProvider } from './embeddings/provider-watch.ts';
import { createReadiness } from './health/readiness.ts';
import { listen } from './platform/http-server.ts';
import { openKeyRing } from './platform/key-ring.ts';
import { endAtOnce } from './platform/log-crash.ts';
import { startLoopWatchdog } from './platform/loop-watchdog.ts';
import { run } from './platform/run.ts';
import { VERSION } from './platform/version.ts';

/** Beside those of a lane that take jobs: whoever holds none is served while those are full. */
const HANDS_FOR_OTHERS = 2;

/** A parser may take two minutes, a step of embedding as long; nothing takes five. */
const LONGEST_STEP_MS = 300_000;

await run({ service: 'ragbase-ai-worker', telemetry, readConfig: () => readConfig('worker') }, async (parts) => {
  const { config, logger, lifecycle } = parts;
  const tokens = openKeyRing({
    ...keySource('INTERNAL_TOKEN', 'worker'),
    keys: config.INTERNAL_TOKEN,
    logger,
    lifecycle,
  });
  const told = forwardErrors({ backendUrl: config.CALLBACK_URL, tokens, logger, lifecycle });
  const concurrency = { fast: config.WORKER_CONCURRENCY_FAST, heavy: config.WORKER_CONCURRENCY_HEAVY };
  const backend = createBackendClient({
    url: config.CALLBACK_URL,
    tokens,
    worker: `${hostname()}-${process.pid}-${Date.now().toString(36)}`,
    patienceMs: 60_000,
  });
  const readiness = createReadiness({
    probes: {
      backend: () => backend.ping(1_500),
      redis: () => lanes.ready(),
      queue: () => lanes.ready(),
      parser: async () => parsers.isOpen,
      progress: async () => LANES.every((lane) => !progress[lane].isStalled),
      contract: async () => agreement.holds,
    },
    vital: ['redis', 'queue', 'parser'],
    dependencies: { embedding: async () => provider.isUp },
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
    logger,
    keepAliveMs: config.KEEP_ALIVE_TIMEOUT,
    requestTimeoutMs: 30_000,
  });

  const provider = watchProvider(await openEmbedder(embedderOptions(config, embeddingKey())), {
    logger,
    signal: lifecycle.signal,
  });
  const { embedder } = provider;
  lifecycle.onClose('embedder', () => embedder.close());
  void provider.firstAnswer.then((dimensions) => embedder.space.settle(dimensions));
  const gate = createProviderGate(provider);
  const parsers = await openParsers(
    {
      concurrency: concurrency.fast + concurrency.heavy + HANDS_FOR_OTHERS,
      maxChunks: config.MAX_CHUNKS,
      ocr: config.OCR_ENABLED,
    },
    parts,
  );
  const inHand = createInHand();
  const depsOf = (lane: Lane) => ({
    backend,
    parsePool: parsers.parsePool,
    embedder,
    logger,
    inHand,
    onProgress: progress[lane].note,
    onDisagreement: () => agreement.doubt(),
  });
  const lanes = openLanes({
    redisUrl: redisUrl(config),
    concurrency,
    logger,
    lifecycle,
    onJob: async (job, { lane, signal }) => {
      const deps = depsOf(lane);
      deps.onProgress();
      await parsers.pass(signal, deps.onProgress);
      await gate.pass(signal, deps.onProgress);
      await processJob(job, lane, signal, deps);
      deps.onProgress();
    },
    openHandsForOthers: (lane, areFull) =>
      openHandsForOthers({
        lane,
        count: HANDS_FOR_OTHERS,
        isNeeded: () => areFull() && gate.isOpen && parsers.isOpen,
        inHand,
        claim: (turn) => backend.claimTurn(lane, turn, embedder.space.current),
        work: (claimed, signal) => processInOwnTrace(claimed, lane, signal, depsOf(lane)),
        logger,
      }),
  });
  const stallMs = config.WORKER_STALL_TIMEOUT;
  const watch = (lane: Lane) =>
    watchProgress({
      lane,
      waiting: () => lanes.waiting(lane),
      active: () => lanes.active(lane),
      idleLimitMs: stallMs,
      busyLimitMs: Math.max(LONGEST_STEP_MS, stallMs),
      checkMs: stallMs / 12,
      giveUpMs: 3 * stallMs,
      // Nothing is handed back: the attempt of a document that wedges workers must count.
      onGiveUp: () => endAtOnce(logger, 'stalled for too long: ends, to be started again', { lane }, told),
    });
  const progress: Record<Lane, ProgressWatch> = { fast: watch('fast'), heavy: watch('heavy') };
  lifecycle.onClose('progress watch', () => LANES.forEach((lane) => void progress[lane].stop()));
  lifecycle.onClose('event loop watchdog', startLoopWatchdog({ limitMs: 60_000 }));
  const agreement = watchAgreement({
    backend,
    space: () => embedder.space.current,
    logger,
    lifecycle,
    onChange: (agrees) => (agrees ? lanes.open() : lanes.pause()),
  });
  logger.info('ready', { port });
});

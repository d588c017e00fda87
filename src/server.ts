/** The backend: opens its parts, hands them over, and each registers how it is closed. */
import { fileURLToPath } from 'node:url';
import { telemetry } from '../telemetry/register.ts';
import { alertEndpoints } from './alerting/endpoints.ts';
import { openAlerting } from './alerting/open-alerting.ts';
import { watchParts } from './alerting/watch-parts.ts';
import { createApp, createInternalApp, publicPaths } from './app.ts';
import {
  databasePassword,
  embeddingKey,
  type KeysName,
  keySource,
  metricsAccess,
  readConfig,
  redisUrl,
} from './config.ts';
import { openDocuments } from './documents/open-documents.ts';
import { embedderOptions } from './embeddings/embedder-options.ts';
import { keepSpace, type SpaceWatch } from './embeddings/keep-space.ts';
import { openEmbedder } from './embeddings/open-embedder.ts';
import { watchProvider } from './embeddings/provider-watch.ts';
import { settleEmbeddingSpace } from './embeddings/space.ts';
import { createReadiness } from './health/readiness.ts';
import { startHousekeeping } from './platform/housekeeping.ts';
import { listen } from './platform/http-server.ts';
import { openKeyRing } from './platform/key-ring.ts';
import { migrate } from './platform/migrate.ts';
import { openLimits } from './platform/open-limits.ts';
import { createPlaces, inPlaces } from './platform/places.ts';
import { openPostgres } from './platform/postgres.ts';
import { databaseProbe } from './platform/postgres-probe.ts';
import { run } from './platform/run.ts';
import { VERSION } from './platform/version.ts';
import { waitFor } from './platform/wait-for.ts';
import { foldTask } from './search/corpus-statistics.ts';
import { searchEndpoints } from './search/endpoints.ts';
import { SEARCH_SESSION_SETTINGS } from './search/session-settings.ts';

/** In progress, most of them waiting for a connection to the database: as many as are answered within seconds. */
const MAX_SEARCHES = 250;

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url));

await run(
  { service: 'ragbase-backend', telemetry, readConfig: () => readConfig('backend') },
  async ({ config, logger, lifecycle }) => {
    const { HOST: host } = config;
    const ringOf = (name: KeysName) =>
      openKeyRing({ ...keySource(name, 'backend'), keys: config[name] ?? [], logger, lifecycle });
    const { serveMetrics } = telemetry;
    const redis = redisUrl(config);
    const report = openAlerting({
      url: config.ALERT_WEBHOOK_URL,
      threshold: config.ALERT_THRESHOLD,
      redisUrl: redis,
      logger,
      lifecycle,
    });
    const provider = watchProvider(await openEmbedder(embedderOptions(config, embeddingKey())), {
      logger,
      signal: lifecycle.signal,
    });
    const { embedder } = provider;
    lifecycle.onClose('embedder', () => embedder.close());
    const pool = openPostgres({
      url: config.DATABASE_URL,
      password: databasePassword(),
      poolSize: config.DATABASE_POOL_SIZE,
      logger,
      sessionSettings: SEARCH_SESSION_SETTINGS,
    });
    lifecycle.onClose('database', () => pool.end());
    const documents = openDocuments({ config, redisUrl: redis, pool, embedder, logger, lifecycle });
    const searches = createPlaces({ of: 'searches', max: MAX_SEARCHES });
    const endpoints = [...documents.endpoints, ...inPlaces(searchEndpoints({ pool, embedder }), searches)];
    const limits = openLimits({
      redisUrl: redis,
      max: config.RATE_LIMIT_MAX,
      windowMs: config.RATE_LIMIT_WINDOW,
      paths: publicPaths(endpoints),
      logger,
      lifecycle,
    });
    const hasStarted = () => lifecycle.hasStarted;

    const internal = createInternalApp({
      endpoints: [...documents.internal, ...alertEndpoints(report)],
      hasStarted,
      serveMetrics,
      tokens: ringOf('INTERNAL_TOKEN'),
      logger,
    });
    await listen(internal, {
      name: 'internal server',
      host,
      port: config.INTERNAL_PORT,
      lifecycle,
      logger,
      keepAliveMs: config.KEEP_ALIVE_TIMEOUT,
      requestTimeoutMs: 0,
      cutAfterMs: 5_000,
    });

    let space: SpaceWatch | undefined;
    const readiness = createReadiness({
      probes: {
        database: databaseProbe(pool, { timeoutMs: 2_000, logger }),
        redis: limits.ping,
        queue: documents.queuesReady,
      },
      vital: ['database'],
      dependencies: { embedding: async () => provider.isUp },
      fits: () => space?.fits ?? true,
      lifecycle,
      timeoutMs: 2_000,
      cacheMs: 1_000,
      version: VERSION,
    });
    const access = metricsAccess(config);
    const app = createApp({
      endpoints,
      readiness,
      hasStarted,
      limits,
      serveMetrics,
      metricsAccess: access === 'token' ? ringOf('METRICS_TOKEN') : access,
      apiKeys: ringOf('API_KEY'),
      idleMs: config.REQUEST_IDLE_TIMEOUT,
      corsOrigins: config.CORS_ORIGIN,
      trustProxy: config.TRUST_PROXY,
      trustTraceContext: config.TRUST_TRACE_CONTEXT,
      version: VERSION,
      logger,
    });
    const port = await listen(app, {
      name: 'public server',
      host,
      port: config.PORT,
      lifecycle,
      logger,
      keepAliveMs: config.KEEP_ALIVE_TIMEOUT,
      // An upload may take as long as it moves: `refuseSlowBodies` ends what does not.
      requestTimeoutMs: 0,
      maxConnections: config.MAX_CONNECTIONS,
    });

    await waitFor('the database', () => migrate(pool, { directory: MIGRATIONS, logger }), {
      logger,
      signal: lifecycle.signal,
    });
    await settleEmbeddingSpace(pool, embedder);
    space = keepSpace(pool, provider, { logger, signal: lifecycle.signal });
    startHousekeeping([...documents.tasks, foldTask(pool)], { logger, lifecycle });
    watchParts({
      checks: async () => ({ ...(await readiness()).body.checks, 'embedding provider': provider.isUp }),
      lostAfterMs: 120_000,
      intervalMs: 10_000,
      logger,
      lifecycle,
    });
    logger.info('ready', { port });
  },
);

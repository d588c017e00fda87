import type pg from 'pg';
import type { Config } from '../config.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import type { Endpoint } from '../platform/endpoint.ts';
import type { Task } from '../platform/housekeeping.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { createPlaces } from '../platform/places.ts';
import type { RedisUrl } from '../platform/redis.ts';
import { createAdmission } from './admission.ts';
import type { AttemptPolicy } from './attempts.ts';
import { deadLetterEndpoints } from './dead-letters.ts';
import { documentEndpoints } from './endpoints.ts';
import { LANES } from './formats.ts';
import { documentTasks } from './housekeeping.ts';
import { internalEndpoints } from './internal-endpoints.ts';
import { announceSeries } from './metrics.ts';
import { notingDocuments } from './note-document.ts';
import { openProducers } from './producers.ts';
import { createQueueMonitor } from './queue-state.ts';
import { statsEndpoints } from './stats.ts';
import { createWatcher } from './watcher.ts';

const LEASE_MS = 15_000;
/** Of JSON uploads that arrive at a time: unlike a form, JSON is in memory as a whole, some times over. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;
const MAX_DOWNLOADS = 200;
const MAX_EVENT_STREAMS = 1_000;

export interface DocumentsOptions {
  config: Pick<
    Config<'backend'>,
    'MAX_ATTEMPTS' | 'QUEUE_MAX_DEPTH' | 'QUEUE_MAX_AGE' | 'MAX_CONCURRENT_UPLOADS' | 'MAX_FILE_SIZE_MB' | 'OCR_ENABLED'
  >;
  redisUrl: RedisUrl;
  pool: pg.Pool;
  embedder: Embedder;
  logger: Logger;
  lifecycle: Lifecycle;
}

/** The documents feature of one backend. */
export interface Documents {
  endpoints: Endpoint[];
  internal: Endpoint[];
  queuesReady(): Promise<boolean>;
  /** What keeps the promise of each 202; the schema must be there. */
  tasks: Task[];
}

/** Opens queues and watcher, and registers how they are closed. */
export function openDocuments({ config, redisUrl, pool, embedder, logger, lifecycle }: DocumentsOptions): Documents {
  const policy: AttemptPolicy = { maxAttempts: config.MAX_ATTEMPTS, leaseMs: LEASE_MS };
  const producers = openProducers({ redisUrl, logger, lifecycle });
  const monitor = createQueueMonitor(pool);
  const watcher = createWatcher({ pool, intervalMs: 300, logger });
  lifecycle.onClose('document watcher', () => watcher.close());
  const admission = createAdmission({
    current: monitor.current,
    maxDepth: config.QUEUE_MAX_DEPTH,
    maxAgeMs: config.QUEUE_MAX_AGE,
    maxHeldBytes: MAX_JSON_BYTES,
  });
  const deps = {
    pool,
    producers,
    logger,
    policy,
    watcher,
    embedder,
    space: () => embedder.space.current,
    monitor,
    upload: {
      maxBytes: config.MAX_FILE_SIZE_MB * 1024 * 1024,
      ocr: config.OCR_ENABLED,
      assertRoom: admission.assertRoom,
    },
    admission,
    places: {
      uploads: createPlaces({ of: 'uploads', max: config.MAX_CONCURRENT_UPLOADS }),
      downloads: createPlaces({ of: 'downloads', max: MAX_DOWNLOADS }),
      events: createPlaces({ of: 'events', max: MAX_EVENT_STREAMS }),
    },
    signal: lifecycle.signal,
  };
  announceSeries();
  return {
    endpoints: notingDocuments([...documentEndpoints(deps), ...deadLetterEndpoints(deps), ...statsEndpoints(deps)]),
    internal: notingDocuments(internalEndpoints(deps)),
    queuesReady: async () => (await Promise.all(LANES.map((lane) => producers[lane].ready()))).every(Boolean),
    tasks: documentTasks(deps),
  };
}

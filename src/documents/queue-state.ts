import { metrics } from '@opentelemetry/api';
import type pg from 'pg';
import { IS_DUE } from './attempts.ts';
import { LANES, type Lane } from './formats.ts';

/** What waits in a lane, by Postgres. */
export interface LaneState {
  queued: number;
  processing: number;
  delayed: number;
  /** Age of the longest waiting, in seconds; 0 where none waits. */
  oldestSeconds: number;
}

const nothing: LaneState = { queued: 0, processing: 0, delayed: 0, oldestSeconds: 0 };

/** Reads the state of every lane; only open documents are looked at, by a partial index. */
export async function readQueueState(pool: pg.Pool): Promise<Record<Lane, LaneState>> {
  const { rows } = await pool.query<LaneState & { lane: Lane }>(
    `SELECT lane,
       count(*) FILTER (WHERE status = 'queued' AND ${IS_DUE})::int AS queued,
       count(*) FILTER (WHERE status = 'processing')::int AS processing,
       count(*) FILTER (WHERE status = 'queued' AND NOT ${IS_DUE})::int AS delayed,
       greatest(0, extract(epoch FROM now() - min(queued_at) FILTER (WHERE status = 'queued')))::float8 AS "oldestSeconds"
     FROM documents WHERE status IN ('queued', 'processing') GROUP BY lane`,
  );
  const state = { fast: nothing, heavy: nothing };
  for (const { lane, ...found } of rows) state[lane] = found;
  return state;
}

/** The last reading, for admission and for series; a scrape never waits for the database. */
export interface QueueMonitor {
  current(): Record<Lane, LaneState>;
  refresh(): Promise<void>;
}

/** Starts the series `processing_queue_oldest_seconds`; somebody has to call `refresh` now and then. */
export function createQueueMonitor(pool: pg.Pool): QueueMonitor {
  let state: Record<Lane, LaneState> = { fast: nothing, heavy: nothing };
  metrics
    .getMeter('ragbase.documents')
    .createObservableGauge('processing_queue_oldest_seconds', {
      description: 'Age of the document that has waited longest',
      unit: 's',
    })
    .addCallback((result) => {
      for (const lane of LANES) result.observe(state[lane].oldestSeconds, { lane });
    });
  return {
    current: () => state,
    refresh: async () => {
      state = await readQueueState(pool);
    },
  };
}

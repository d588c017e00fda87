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

/** What waits in a lane, and of whom: by the fingerprints of keys. */
export interface LaneReading extends LaneState {
  owners: ReadonlyMap<string, { waiting: number; oldestSeconds: number }>;
}

const nothing: LaneReading = { queued: 0, processing: 0, delayed: 0, oldestSeconds: 0, owners: new Map() };

/** Reads the state of every lane; only open documents are looked at, by a partial index. */
export async function readQueueState(pool: pg.Pool): Promise<Record<Lane, LaneReading>> {
  const { rows } = await pool.query<LaneState & { lane: Lane; owner: string }>(
    `SELECT lane, owner,
       count(*) FILTER (WHERE status = 'queued' AND ${IS_DUE})::int AS queued,
       count(*) FILTER (WHERE status = 'processing')::int AS processing,
       count(*) FILTER (WHERE status = 'queued' AND NOT ${IS_DUE})::int AS delayed,
       greatest(0, extract(epoch FROM now() - min(queued_at) FILTER (WHERE status = 'queued')))::float8 AS "oldestSeconds"
     FROM documents WHERE status IN ('queued', 'processing') GROUP BY lane, owner`,
  );
  const readingOf = (lane: Lane) => rows.filter((row) => row.lane === lane).reduce(addOwner, nothing);
  return { fast: readingOf('fast'), heavy: readingOf('heavy') };
}

function addOwner(lane: LaneReading, { owner, ...own }: LaneState & { owner: string }): LaneReading {
  return {
    queued: lane.queued + own.queued,
    processing: lane.processing + own.processing,
    delayed: lane.delayed + own.delayed,
    oldestSeconds: Math.max(lane.oldestSeconds, own.oldestSeconds),
    owners: new Map(lane.owners).set(owner, {
      waiting: own.queued + own.delayed,
      oldestSeconds: own.oldestSeconds,
    }),
  };
}

/** The last reading, for admission and for series; a scrape never waits for the database. */
export interface QueueMonitor {
  current(): Record<Lane, LaneReading>;
  refresh(): Promise<void>;
}

/** Starts the series `processing_queue_oldest_seconds`; somebody has to call `refresh` now and then. */
export function createQueueMonitor(pool: pg.Pool): QueueMonitor {
  let state: Record<Lane, LaneReading> = { fast: nothing, heavy: nothing };
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

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

/** Reads the state of every lane; only open documents are looked at, by partial indexes. */
export async function readQueueState(pool: pg.Pool): Promise<Record<Lane, LaneReading>> {
  const { rows } = await pool.query<LaneState & { lane: Lane; owner: string }>(
    `SELECT lane, owner, count(*) FILTER (WHERE ${IS_DUE})::int AS queued, 0 AS processing,
       count(*) FILTER (WHERE NOT ${IS_DUE})::int AS delayed,
       greatest(0, extract(epoch FROM now() - min(queued_at)))::float8 AS "oldestSeconds"
     FROM documents WHERE status = 'queued' GROUP BY lane, owner
     UNION ALL
     SELECT lane, owner, 0, count(*)::int, 0, 0 FROM documents WHERE status = 'processing' GROUP BY lane, owner`,
  );
  const readingOf = (lane: Lane): LaneReading => {
    const parts = rows.filter((row) => row.lane === lane);
    const sum = (of: 'queued' | 'processing' | 'delayed') => parts.reduce((total, row) => total + row[of], 0);
    const waiting = parts.filter(({ queued, delayed }) => queued + delayed > 0);
    return {
      queued: sum('queued'),
      processing: sum('processing'),
      delayed: sum('delayed'),
      oldestSeconds: Math.max(0, ...waiting.map(({ oldestSeconds }) => oldestSeconds)),
      owners: new Map(
        waiting.map(({ owner, queued, delayed, oldestSeconds }) => [
          owner,
          { waiting: queued + delayed, oldestSeconds },
        ]),
      ),
    };
  };
  return { fast: readingOf('fast'), heavy: readingOf('heavy') };
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

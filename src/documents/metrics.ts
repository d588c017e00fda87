import { metrics } from '@opentelemetry/api';
import { FORMAT_NAMES, type Format, LANES, type Lane, laneOf } from './formats.ts';

const meter = metrics.getMeter('ragbase.documents');

const processed = meter.createCounter('documents_processed_total', {
  description: 'Documents that reached an end: completed or failed',
});
const ingestDuration = meter.createHistogram('document_ingest_duration_seconds', {
  description: 'Time from the upload of a document until it is searchable',
  unit: 's',
  advice: { explicitBucketBoundaries: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900] },
});

const ATTEMPT_OUTCOMES = ['completed', 'failed', 'lost', 'refunded'] as const;
const attempts = meter.createCounter('document_attempts_total', {
  description: 'Attempts at documents that ended; refunded ones do not count towards the limit',
});

/** Shows every series before its first document: an alert can't tell a series that is missing from one that is well. */
export function announceSeries(): void {
  for (const format of FORMAT_NAMES)
    for (const status of ['completed', 'failed']) processed.add(0, { status, format, lane: laneOf(format) });
  for (const lane of LANES) for (const outcome of ATTEMPT_OUTCOMES) attempts.add(0, { lane, outcome });
}

/** Counts an attempt that ended. */
export function recordAttempt(lane: Lane, outcome: (typeof ATTEMPT_OUTCOMES)[number]): void {
  attempts.add(1, { lane, outcome });
}

/** Counts a document that reached an end. */
export function recordProcessed(
  document: { format: Format; lane: Lane },
  status: 'completed' | 'failed',
  totalMs: number | null,
): void {
  // What the database says, which may have been written by a later version.
  const format = FORMAT_NAMES.includes(document.format) ? document.format : 'other';
  const labels = { format, lane: document.lane };
  processed.add(1, { status, ...labels });
  if (status === 'completed' && totalMs !== null) ingestDuration.record(totalMs / 1000, labels);
}

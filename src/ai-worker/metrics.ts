import { metrics } from '@opentelemetry/api';
import type { Format } from '../documents/formats.ts';
import type { Stage } from '../documents/job.ts';

const stageDuration = metrics.getMeter('ragbase.ai-worker').createHistogram('document_stage_duration_seconds', {
  description: 'Time that a document spent in one stage of the worker',
  unit: 's',
  advice: { explicitBucketBoundaries: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] },
});

/** Notes how long a stage took for one document. */
export function recordStage(done: { stage: Stage; format: Format; durationMs: number }): void {
  stageDuration.record(done.durationMs / 1000, { stage: done.stage, format: done.format });
}

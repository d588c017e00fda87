import { metrics } from '@opentelemetry/api';
import type { Reports } from './reports.ts';

/** Why a span never reached a collector. */
export const LOSS_REASONS = ['export_failed', 'queue_full'] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

/** Counts spans that are lost, and tells of a burst of losses in two lines, however long it lasts. */
export interface LostSpans {
  lost(spans: number, reason: LossReason, error?: Error): void;
  /** Spans reached their collector: ends a burst, if there is one. */
  arrived(): void;
  /** Publishes `telemetry_spans_lost_total`; after the SDK has started. */
  publish(): void;
}

/** @param options.quietMs after a burst none is told of for this long: a collector that comes and goes is no storm either. */
export function createLostSpans(reports: Reports, { quietMs = 60_000 }: { quietMs?: number } = {}): LostSpans {
  const counts = new Map<LossReason, number>(LOSS_REASONS.map((reason) => [reason, 0]));
  let burst = 0;
  let isTold = false;
  let quietUntil = 0;
  return {
    lost(spans, reason, error) {
      counts.set(reason, (counts.get(reason) ?? 0) + spans);
      burst += spans;
      if (isTold || Date.now() < quietUntil) return;
      isTold = true;
      reports.say({ level: 'warn', message: 'spans are lost', fields: { reason, ...(error && describe(error)) } });
    },
    arrived() {
      if (isTold) {
        reports.say({ level: 'info', message: 'spans arrive again', fields: { lost: burst } });
        quietUntil = Date.now() + quietMs;
      }
      isTold = false;
      burst = 0;
    },
    publish() {
      metrics
        .getMeter('ragbase.telemetry')
        .createObservableCounter('telemetry_spans_lost_total', {
          description: 'Spans that never reached a collector',
        })
        .addCallback((result) => {
          for (const [reason, count] of counts) result.observe(count, { reason });
        });
    },
  };
}

/** By code: the message of an exporter's error quotes addresses, and answers of whoever listens there. */
function describe(error: Error & { code?: unknown }): { errorType: string } {
  const { code, name } = error;
  return { errorType: typeof code === 'string' || typeof code === 'number' ? String(code) : name };
}

import { metrics } from '@opentelemetry/api';
import { errorType } from '../platform/errors.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import type { RedisUrl } from '../platform/redis.ts';
import type { Occurrence, Report } from './occurrence.ts';
import { reportLoggedErrors } from './report-logged-errors.ts';
import { openTally } from './tally.ts';
import { type AlertMessage, postAlert } from './webhook.ts';

export interface AlertingOptions {
  /** `ALERT_WEBHOOK_URL`; without one, errors are only logged. */
  url: string | undefined;
  /** Errors of one type within an hour that make an alert. */
  threshold: number;
  redisUrl: RedisUrl;
  logger: Logger;
  lifecycle: Lifecycle;
  /** Before the second attempt to send, in ms. */
  retryMs?: number;
}

const HOUR_MS = 60 * 60_000;
/** After an alert that could not be sent, the next occurrence of its type tries again, but not at once. */
const RETRY_AFTER_MS = 60_000;
/** Alerts under way at a time: each is a type of its own, so that more are no news. */
const MAX_PENDING = 20;
const FAREWELL_MS = 5_000;

/**
 * Watches the log for errors and tells a webhook of those that need a person. Never in the way of
 * what it watches: it fails open, counted and logged.
 * @returns takes what other processes report.
 */
export function openAlerting({ url, threshold, redisUrl, logger, lifecycle, retryMs }: AlertingOptions): Report {
  const sent = createCounter();
  if (url === undefined) {
    logger.warn('ALERT_WEBHOOK_URL is not set: errors are logged, and nobody is told');
    return () => undefined;
  }
  const tally = openTally({ redisUrl, logger, windowMs: HOUR_MS });
  const pending = new Set<Promise<void>>();
  const giveUp = new AbortController();

  async function tell(occurrence: Occurrence): Promise<void> {
    const count = await tally.count(occurrence.type, occurrence.level === 'critical' ? 1 : threshold);
    if (count === undefined) return;
    try {
      await postAlert(messageOf(occurrence, count), {
        url: url as string,
        signal: giveUp.signal,
        ...(retryMs !== undefined && { retryMs }),
      });
      sent.add(1, { outcome: 'sent' });
    } catch (error) {
      sent.add(1, { outcome: 'failed' });
      logger.warn('an alert could not be sent', { reason: errorType(error), alertType: occurrence.type });
      await tally.untold(occurrence.type, RETRY_AFTER_MS);
    }
  }

  const report: Report = (occurrence) => {
    if (pending.size >= MAX_PENDING) return sent.add(1, { outcome: 'dropped' });
    const telling = tell(occurrence).finally(() => pending.delete(telling));
    pending.add(telling);
  };
  reportLoggedErrors(logger, report);
  lifecycle.onClose('alerting', async () => {
    const timer = setTimeout(() => giveUp.abort(), FAREWELL_MS);
    while (pending.size > 0) await Promise.all(pending);
    clearTimeout(timer);
    await tally.close();
  });
  return report;
}

function createCounter() {
  const counter = metrics
    .getMeter('ragbase.alerting')
    .createCounter('alerts_sent_total', { description: 'Alerts to the webhook, by what became of them' });
  for (const outcome of ['sent', 'failed', 'dropped']) counter.add(0, { outcome });
  return counter;
}

function messageOf({ level, type, message, context, timestamp, traceId }: Occurrence, count: number): AlertMessage {
  const times = count === 1 ? 'once' : `${count} times`;
  const trace = traceId === undefined ? '' : `, trace ${traceId}`;
  return {
    text: `[ragbase ${level}] ${type}, ${times} within an hour${trace}`,
    level,
    message,
    context: { ...context, type, count },
    timestamp,
    traceId: traceId ?? null,
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Finding, fail, ok, warn } from './finding.ts';
import type { Ask } from './monitoring.ts';

/** Alertmanager waits 10 s for others of a group, and Prometheus asks it each 15 s. */
const PATIENCE_MS = 90_000;
const POLL_MS = 3_000;
const RUNBOOK = 'deploy/runbooks/alerting.md';

const countsSchema = z.object({
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

type Counts = ReadonlyMap<string, number>;

/** Notifications of each kind of receiver, as Alertmanager counts them since its start. */
async function count(prometheus: Ask, series: string): Promise<Counts> {
  const expr = encodeURIComponent(`sum by (integration) (${series})`);
  const { data } = countsSchema.parse(await prometheus(`/api/v1/query?query=${expr}`));
  return new Map(data.result.map(({ metric, value }) => [metric['integration'] ?? '', Number(value[1])]));
}

const SENT = 'alertmanager_notifications_total';
const FAILED = 'alertmanager_notifications_failed_total';

/** Whether a notification has ever got through to whoever hears of alerts. */
export async function checkDelivery(prometheus: Ask): Promise<Finding[]> {
  const [sent, failed] = [await count(prometheus, SENT), await count(prometheus, FAILED)];
  const reached = [...sent].filter(([kind, total]) => total > (failed.get(kind) ?? 0)).map(([kind]) => kind);
  return [
    reached.length > 0
      ? ok(`notifications have got through: ${reached.join(', ')}`)
      : warn('no notification has got through yet', 'send one: npm run preflight -- --try-alert'),
  ];
}

export interface TryAlertOptions {
  prometheus: Ask;
  alertmanager: Ask;
  patienceMs?: number;
  pollMs?: number;
}

/** Has Alertmanager tell somebody of an alert that is none, and looks whether it got through. */
export async function tryAlert(options: TryAlertOptions): Promise<Finding[]> {
  const { prometheus, alertmanager, patienceMs = PATIENCE_MS, pollMs = POLL_MS } = options;
  const before = { sent: await count(prometheus, SENT), failed: await count(prometheus, FAILED) };
  const now = Date.now();
  const alert = {
    labels: { alertname: 'Preflight', severity: 'info', job: 'preflight' },
    annotations: {
      summary: 'This is a test: nothing is wrong',
      description: 'Whoever reads this hears of alerts. It ends by itself.',
    },
    startsAt: new Date(now),
    endsAt: new Date(now + 2 * patienceMs),
  };
  await alertmanager('/api/v2/alerts', [alert]);
  const hasGrown = (then: Counts, counts: Counts) =>
    [...counts].find(([kind, total]) => total > (then.get(kind) ?? 0))?.[0];
  while (Date.now() - now < patienceMs) {
    const failed = hasGrown(before.failed, await count(prometheus, FAILED));
    if (failed !== undefined) return [fail(`the test alert was not taken: ${failed}`, RUNBOOK)];
    const sent = hasGrown(before.sent, await count(prometheus, SENT));
    if (sent !== undefined) return [ok(`a test alert got through: ${sent}; see that it is there`)];
    await delay(pollMs);
  }
  return [fail('Alertmanager sent the test alert to nobody', RUNBOOK)];
}

import { z } from 'zod';
import { type Finding, fail, ok, unless, warn } from './finding.ts';

/** Asks a path of Prometheus or Alertmanager; with a body, posts it as JSON. */
export type Ask = (path: string, body?: unknown) => Promise<unknown>;

const TIMEOUT_MS = 10_000;

const resultSchema = z.object({
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
});
const alertsSchema = z.array(z.object({ receivers: z.array(z.object({ name: z.string() })) }));

/** Asks over the network. */
export const askUrl =
  (base: string): Ask =>
  async (path, body) => {
    const posted = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await fetch(new URL(path, base), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== undefined && posted),
    });
    if (!response.ok) throw new Error(`${base} answered ${response.status}`);
    return parseAnswer(await response.text());
  };

/** What is taken is often answered by nothing. */
export const parseAnswer = (text: string): unknown => (text === '' ? undefined : JSON.parse(text));

/** Whether every target is scraped, and alerts are evaluated and find their way out. */
export async function checkPrometheus(ask: Ask): Promise<Finding[]> {
  const query = async (expr: string) =>
    resultSchema
      .parse(await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`))
      .data.result.map(({ metric }) => metric);
  const name = ({ job, instance }: Record<string, string>) => `${job} at ${instance}`;
  const [targets, down] = [await query('up'), await query('up == 0')];
  const firing = await query('ALERTS{alertstate="firing", alertname!="Watchdog"}');
  const failing = await query('increase(alertmanager_notifications_failed_total[15m]) > 0');
  return [
    targets.length > 0
      ? ok(`targets of Prometheus: ${targets.length}`)
      : fail('Prometheus scrapes nothing', 'see its log'),
    ...unless(
      down.map((target) => `${name(target)} is down`),
      'no target is down',
      'deploy/runbooks/target-down.md',
    ),
    (await query('ALERTS{alertname="Watchdog", alertstate="firing"}')).length > 0
      ? ok('the watchdog fires')
      : fail('the watchdog does not fire', 'rules are not evaluated: deploy/runbooks/alerting.md'),
    firing.length === 0
      ? ok('no other alert fires')
      : warn(`firing: ${firing.map(({ alertname }) => alertname).join(', ')}`, 'deploy/runbooks/README.md'),
    failing.length === 0
      ? ok('no notification failed within 15 minutes')
      : fail('Alertmanager could not deliver its notifications', 'deploy/runbooks/alerting.md'),
  ];
}

/** Whether the watchdog came through from Prometheus, and to whom it goes. */
export async function checkAlertmanager(ask: Ask): Promise<Finding[]> {
  const alerts = alertsSchema.parse(await ask('/api/v2/alerts?filter=alertname%3D%22Watchdog%22'));
  const receivers = [...new Set(alerts.flatMap((alert) => alert.receivers.map(({ name }) => name)))];
  if (receivers.join() === 'none') return [ok('Alertmanager has the watchdog, and tells nobody of it')];
  return unless(
    receivers.length > 0 ? [] : ['Alertmanager has no watchdog, or nobody to send it to'],
    `Alertmanager sends the watchdog to ${receivers.join(', ')}`,
    'deploy/runbooks/alerting.md',
  );
}

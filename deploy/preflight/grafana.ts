import { type Finding, fail, ok, warn } from './finding.ts';

const TIMEOUT_MS = 10_000;

/** Whether Grafana's administrator has the password of the file, and not the one that everybody knows. */
export async function checkGrafana({ url, password }: { url: string; password: string }): Promise<Finding[]> {
  const status = async (attempted: string) => {
    const headers = { authorization: `Basic ${Buffer.from(`admin:${attempted}`).toString('base64')}` };
    return (await fetch(new URL('/api/org', url), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })).status;
  };
  const reset = 'docker compose … exec grafana grafana cli admin reset-admin-password …';
  return [
    (await status('admin')) === 401
      ? ok('Grafana refuses the password `admin`')
      : fail('Grafana takes the password `admin`', reset),
    (await status(password)) === 200
      ? ok('Grafana takes GRAFANA_ADMIN_PASSWORD')
      : warn('Grafana has another password: it keeps the one of its first start', reset),
  ];
}

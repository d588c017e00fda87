import { type Finding, fail, ok } from './finding.ts';

const TIMEOUT_MS = 10_000;

/** What a stranger gets from the public port, and what the key of the file opens. */
export async function checkDoor({ url, key }: { url: string; key: string }): Promise<Finding[]> {
  const status = async (path: string, headers: Record<string, string> = {}) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return (await fetch(new URL(path, url), { headers, signal, redirect: 'manual' })).status;
  };
  const expect = async (wanted: number, what: string, todo: string, asked: Promise<number>) => {
    const got = await asked;
    return got === wanted ? ok(`${what}: ${got}`) : fail(`${what}: ${got} instead of ${wanted}`, todo);
  };
  return [
    await expect(200, `${url}/ready`, 'docker compose … ps, and logs of what is not healthy', status('/ready')),
    await expect(401, '/api/v1/stats without a key', 'do not go on: the API is open', status('/api/v1/stats')),
    await expect(
      200,
      '/api/v1/stats with the first API_KEY of the file',
      'the backend runs with other settings than the file: docker compose … up -d',
      status('/api/v1/stats', { 'X-API-Key': key }),
    ),
    await expect(404, '/metrics on the public port', 'NODE_ENV=production hides it', status('/metrics')),
    await expect(404, '/internal on the public port', 'publish port 3000 alone', status('/internal/documents')),
  ];
}

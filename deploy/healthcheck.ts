/**
 * Exit status 0 if a URL answers 2xx in time, for a container's health check:
 * `node deploy/healthcheck.ts http://127.0.0.1:3000/ready`. The images hold no curl.
 */
const TIMEOUT_MS = 4_000;

const [url = ''] = process.argv.slice(2);
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  process.stdout.write(`${response.status} ${await response.text()}\n`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`${url}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

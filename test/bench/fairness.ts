/** How long a short text takes from upload to searchable: alone, and beside a flood from another key. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type Service, type ShownDocument, startService } from '../support/service.ts';

const TEXTS = 40;
const PAUSE_MS = 400;
const POLL_MS = 20;
/** Beside the flood, the time that 95 of 100 texts stay below, compared with that without it. */
const LIMIT = 3;

/** Prints both times of each flood, and fails where one is more than `LIMIT` times as long. */
export async function bench(): Promise<void> {
  for (const [name, flood] of Object.entries({ 'small texts': floodOfSmall, 'very long texts': floodOfLong })) {
    const service = await startService({ API_KEY: 'good,greedy', MAX_CHUNKS: '20000' });
    try {
      await times(service, 5);
      const alone = await times(service, TEXTS);
      const stop = new AbortController();
      const flooding = flood(service, stop.signal);
      await delay(5_000);
      const beside = await times(service, TEXTS);
      stop.abort();
      await flooding;
      const ratio = percentile(beside, 0.95) / percentile(alone, 0.95);
      process.stdout.write(`flood of ${name}: upload to searchable of a short text of another key\n`);
      process.stdout.write(
        `  alone  p50 ${round(percentile(alone, 0.5))} ms, p95 ${round(percentile(alone, 0.95))} ms\n`,
      );
      process.stdout.write(
        `  beside p50 ${round(percentile(beside, 0.5))} ms, p95 ${round(percentile(beside, 0.95))} ms: ` +
          `p95 x ${ratio.toFixed(2)}, limit ${LIMIT}\n`,
      );
      if (ratio > LIMIT) process.exitCode = 1;
    } finally {
      await service.stop();
    }
  }
}

/** Milliseconds from the start of each upload until its document is searchable. */
async function times(service: Service, count: number): Promise<number[]> {
  const found: number[] = [];
  for (let sent = 0; sent < count; sent += 1) {
    const started = performance.now();
    const { id } = (await (await send(service, 'good', `A short text ${randomUUID()}.`)).json()) as ShownDocument;
    while ((await service.document(id)).status !== 'completed') await delay(POLL_MS);
    found.push(performance.now() - started);
    await delay(PAUSE_MS);
  }
  return found;
}

/** As many as the queue takes, one after the other. */
async function floodOfSmall(service: Service, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const text = Array.from({ length: 40 }, () => `Sentence ${randomUUID()} of the flood.`).join(' ');
    await (await send(service, 'greedy', text)).body?.cancel();
    await delay(20);
  }
}

/** Four of 8 MB, which are 11 KB as they are sent. */
async function floodOfLong(service: Service): Promise<void> {
  for (let sent = 0; sent < 4; sent += 1) {
    const text = `${randomUUID()} ${'\u6d41\u6c34\u4e0d\u8150\uff0c\u6237\u67a2\u4e0d\u8839\u3002'.repeat(290_000)}`;
    const body = gzipSync(JSON.stringify({ name: 'long.txt', content: text }));
    const headers = { 'x-api-key': 'greedy', 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const response = await service.call('/api/v1/documents', { method: 'POST', headers, body });
    await response.body?.cancel();
  }
}

function send(service: Service, key: string, content: string): Promise<Response> {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'a.txt', content });
  return service.call('/api/v1/documents', { method: 'POST', headers, body });
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

const round = (ms: number): number => Math.round(ms);

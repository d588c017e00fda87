import { setTimeout } from 'node:timers/promises';

/** Bytes of a process's heap that are in use, one sample after the other. */
export interface HeapSeries {
  name: string;
  samples: number[];
}

/** Longer than a process may go without collecting its garbage, some times over: the least of it is what is in use. */
const SAMPLE_MS = 10_000;
const LOOKS = 20;
/** What the last third may have more than the first, of the mean of that, and at least in bytes. */
const GROWTH = 0.05;
const GROWTH_BYTES = 2 * 1024 ** 2;

/** Takes samples of each process until `signal`. */
export async function sampleHeaps(
  metricsUrls: Record<string, string>,
  options: { signal: AbortSignal; onSample: (series: readonly HeapSeries[]) => void },
): Promise<HeapSeries[]> {
  const { signal, onSample } = options;
  const series = Object.keys(metricsUrls).map((name): HeapSeries => ({ name, samples: [] }));
  while (!signal.aborted) {
    const looks: Record<string, number>[] = [];
    for (let look = 0; look < LOOKS && !signal.aborted; look += 1) {
      await setTimeout(SAMPLE_MS / LOOKS, undefined, { signal }).catch(() => undefined);
      looks.push(await readHeaps(metricsUrls));
    }
    if (looks.length < LOOKS) break;
    for (const { name, samples } of series) samples.push(Math.min(...looks.map((look) => look[name] ?? Number.NaN)));
    onSample(series);
  }
  return series;
}

async function readHeaps(metricsUrls: Record<string, string>): Promise<Record<string, number>> {
  const read = async ([name, url]: [string, string]) =>
    [name, await sumOf(url, 'v8js_memory_heap_used_bytes')] as const;
  return Object.fromEntries(await Promise.all(Object.entries(metricsUrls).map(read)));
}

/** Sum of a series over its labels. */
export async function sumOf(metricsUrl: string, series: string): Promise<number> {
  const lines = (await (await fetch(metricsUrl)).text()).split('\n');
  const values = lines.filter((line) => line.startsWith(`${series}{`)).map((line) => Number(line.split(' ').at(-1)));
  if (values.length === 0) throw new Error(`${metricsUrl} has no ${series}`);
  return values.reduce((sum, value) => sum + value, 0);
}

/** How the last third compares with the first, after a warm-up of a tenth: caches fill, and code is compiled. */
export function judgeHeap({ samples }: HeapSeries): { first: number; last: number; isFlat: boolean } {
  const warm = samples.slice(Math.ceil(samples.length / 10));
  const third = Math.floor(warm.length / 3);
  if (third < 1) throw new Error('too short a run to judge');
  const first = mean(warm.slice(0, third));
  const last = mean(warm.slice(-third));
  return { first, last, isFlat: last - first <= Math.max(GROWTH_BYTES, GROWTH * first) };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Sends requests on raw sockets to a service of its own: `node test/fuzz/wire.ts --requests 20000 --seed 1`. Fails where its
 * backend ends, answers with an error that is its own, keeps anything, or lets a client down who behaves.
 */
import { parseArgs } from 'node:util';
import { type Service, startService } from '../support/service.ts';
import { fuzzWire } from './fuzz-wire.ts';

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
});
const say = (text: string) => process.stdout.write(`${text}\n`);

const service = await startService({ REQUEST_IDLE_TIMEOUT: '1s' });
try {
  const before = await heapMb(service);
  const started = performance.now();
  const { exchanges, answers, faults } = await fuzzWire(service, {
    requests: Number(values.requests),
    seed: Number(values.seed),
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  say(
    `seed ${values.seed}: ${exchanges} connections in ${seconds} s; heap ${before} MB before, ${await heapMb(service)} after`,
  );
  say(
    `answers: ${[...answers]
      .sort()
      .map(([status, count]) => `${status}: ${count}`)
      .join(', ')}`,
  );
  for (const fault of faults) say(fault);
  say(faults.length === 0 ? 'no faults' : `${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await service.stop();
}

/** Before the next collection of garbage, and so only a hint. */
async function heapMb({ stack }: Service): Promise<number> {
  const series = await (await fetch(stack.metricsUrl)).text();
  const used = [...series.matchAll(/^v8js_memory_heap_used\S* (\S+)/gm)].map(([, bytes]) => Number(bytes));
  return Math.round(used.reduce((sum, bytes) => sum + bytes, 0) / 1024 / 1024);
}

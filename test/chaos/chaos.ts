/**
 * Uploads documents at a steady rate while processes, Redis and the ways between them are killed,
 * frozen, wiped and cut off, and then takes account: every accepted document must have completed, or
 * failed with a reason, and nothing may be there twice.
 *   npm run chaos -- --minutes 10 --seed 7
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openOtlpReceiver } from '../../deploy/local/otlp-receiver.ts';
import { openRedisServer } from '../support/redis-server.ts';
import { startService } from '../support/service.ts';
import { openSeverableProxy } from '../support/severable-proxy.ts';
import { type Account, isClean, takeAccount } from './account.ts';
import { type Fault, faultsOf } from './faults.ts';
import { pick, type Random, seededRandom } from './random.ts';
import { uploadSteadily } from './uploads.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    rate: { type: 'string', default: '2' },
  },
});
const say = (text: string) => process.stdout.write(`${text}\n`);

/** What was killed again and again within half a minute would be given up by its supervisor, and rightly. */
const REST_MS = 31_000;
const PAUSE_MS = [3_000, 6_000, 12_000];
const PATIENCE_MS = 5 * 60_000;

async function main(): Promise<boolean> {
  const random = seededRandom(Number(values.seed));
  say(`seed ${values.seed}, ${values.minutes} min, ${values.rate} documents/s`);
  const redis = await openRedisServer();
  const collector = await openOtlpReceiver();
  const redisWay = await openSeverableProxy(redis.port);
  const collectorWay = await openSeverableProxy(Number(new URL(collector.endpoint).port));
  const service = await startService({
    REDIS_URL: `redis://127.0.0.1:${redisWay.port}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collectorWay.port}`,
    OCR_ENABLED: 'false',
  });
  try {
    const end = new AbortController();
    const uploads = uploadSteadily(service, {
      random: seededRandom(Number(values.seed) + 1),
      perSecond: Number(values.rate),
      signal: end.signal,
    });
    const struck = await strikeUntil(
      Date.now() + Number(values.minutes) * 60_000,
      faultsOf({ service, redis, redisWay, collectorWay }, random),
      random,
    );
    end.abort();
    const { accepted, refused } = await uploads;
    say('no more faults; taking account');
    const account = await takeAccount(service, accepted, PATIENCE_MS);
    report(account, refused, struck);
    return isClean(account) && account.accepted > 0;
  } finally {
    await service.stop();
    redisWay.close();
    collectorWay.close();
    await collector.close();
    await redis.close();
  }
}

async function strikeUntil(deadline: number, faults: readonly Fault[], random: Random): Promise<Map<string, number>> {
  const struck = new Map<string, number>();
  const last = new Map<string, number>();
  while (Date.now() < deadline) {
    await setTimeout(pick(random, PAUSE_MS));
    const rested = faults.filter(({ name }) => Date.now() - (last.get(name) ?? 0) > REST_MS);
    const fault = pick(random, rested);
    say(`  ${fault.name}`);
    await fault.strike();
    last.set(fault.name, Date.now());
    struck.set(fault.name, (struck.get(fault.name) ?? 0) + 1);
  }
  return struck;
}

function report(account: Account, refused: number, struck: ReadonlyMap<string, number>): void {
  const faults = [...struck.values()].reduce((sum, count) => sum + count, 0);
  say(`faults ${faults}: ${[...struck].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  say(`uploads turned away or not answered ${refused}`);
  const { lost, stuck, duplicated, unfindable, crashes } = account;
  for (const line of crashes) say(`crash: ${line}`);
  for (const [what, ids] of Object.entries({ lost, stuck, duplicated, unfindable }))
    if (ids.length > 0) say(`${what}: ${ids.join(' ')}`);
  say(
    `accepted ${account.accepted} = completed ${account.completed} + failed with reason ${account.failedWithReason}; ` +
      `lost ${lost.length}, stuck ${stuck.length}, duplicated ${duplicated.length}, unfindable ${unfindable.length}; ` +
      `crashes ${crashes.length}`,
  );
}

process.exitCode = (await main()) ? 0 : 1;

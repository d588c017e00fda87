import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Response } from 'express';
import type { Endpoint } from '../../src/platform/endpoint.ts';
import { createPlaces, enterUntilClosed, inPlaces, type Places } from '../../src/platform/places.ts';
import { type RecordedTelemetry, recordTelemetry } from '../support/recorded-telemetry.ts';

const of = (key: string) => ({ locals: { keyFingerprint: key } }) as unknown as Response;
const REFUSED = { code: 'QUEUE_FULL', refusal: 'uploads', retryAfter: 2 };

describe('places', () => {
  let recorded: RecordedTelemetry;
  let places: Places;
  beforeEach(() => {
    recorded = recordTelemetry();
    places = createPlaces({ of: 'uploads', max: 20 });
  });
  afterEach(() => recorded.stop());

  const take = (key: string, count: number) => Array.from({ length: count }, () => places.enter(of(key)));
  /** Takes as many as there are. */
  function takeAll(key: string): (() => void)[] {
    const taken: (() => void)[] = [];
    try {
      for (;;) taken.push(places.enter(of(key)));
    } catch {
      assert.throws(() => places.enter(of(key)), REFUSED);
      return taken;
    }
  }

  it('are all for a key that is alone', () => {
    assert.equal(takeAll('a').length, 20);
  });

  it('are given back once', () => {
    const [first = () => undefined] = takeAll('a');
    first();
    first();
    assert.equal(takeAll('a').length, 1);
  });

  it('are there for another key, even when one has taken all', () => {
    takeAll('a');
    assert.equal(takeAll('b').length, 2);
  });

  it('that become free go to who has less than its share, until it has that', () => {
    const greedy = takeAll('a');
    takeAll('b');
    for (const leave of greedy.splice(0, 8)) leave();
    assert.equal(takeAll('a').length, 0);
    assert.equal(takeAll('b').length, 6);
  });

  it('that nobody else asks for are free for who has more than its share', () => {
    take('b', 1);
    assert.equal(takeAll('a').length, 19);
  });

  it('are limited, however many keys there are', () => {
    const keys = Array.from({ length: 100 }, (_, index) => String(index));
    assert.equal(keys.flatMap((key) => takeAll(key)).length, 30);
  });

  it('count what is in progress', async () => {
    const inProgress = async () => (await recorded.points('http_bodies_in_progress'))[0];
    assert.deepEqual(await inProgress(), { labels: { kind: 'upload' }, value: 0 });
    const [leave = () => undefined] = take('a', 3);
    leave();
    leave();
    assert.deepEqual(await inProgress(), { labels: { kind: 'upload' }, value: 2 });
  });

  it('are taken by calls until they are handled, well or not', async () => {
    const outcomes = [Promise.resolve(undefined), Promise.reject(new Error('failed'))];
    const handle = () => outcomes.shift();
    const [endpoint] = inPlaces([{ handle } as unknown as Endpoint], places);
    const input = { response: of('a') } as Parameters<Endpoint['handle']>[0];
    const calls = [endpoint?.handle(input), endpoint?.handle(input)];
    assert.equal(takeAll('a').length, 18);
    await Promise.allSettled(calls);
    assert.equal(takeAll('a').length, 2);
  });

  it('are taken by answers until they close, and not by those that have', () => {
    const open = Object.assign(new EventEmitter(), of('a')) as unknown as Response;
    enterUntilClosed(places, open);
    enterUntilClosed(places, { ...of('a'), closed: true } as unknown as Response);
    assert.equal(takeAll('a').length, 19);
    (open as unknown as EventEmitter).emit('close');
    assert.equal(takeAll('a').length, 1);
  });
});

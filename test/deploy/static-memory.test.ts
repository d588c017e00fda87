import assert from 'node:assert/strict';
import { parserMemory } from '../../src/ai-worker/parse-limits.ts';
import { SETTINGS } from '../../src/config.ts';
import { compose, read } from './static-files.ts';

/** The three ways in which a backend is started: by hand, by the launcher, by its image. */
const STARTED_BY = ['package.json', 'deploy/local/stack-steps.ts', 'deploy/Dockerfile'];

describe('the memory settings of a backend', () => {
  for (const [what, pattern] of [
    ['young generation', /--max-semi-space-size=(\d+)/g],
    ['malloc arenas', /MALLOC_ARENA_MAX(?:=|: ')(\d+)/g],
  ] as const) {
    it(`are the same however it is started: ${what}`, () => {
      const found = STARTED_BY.map((path) => new Set([...read(path).matchAll(pattern)].map(([, value]) => value)));
      assert.equal(found[0]?.size, 1);
      for (const values of found) assert.deepEqual(values, found[0]);
    });
  }
});

describe('the memory of the ai-worker', () => {
  it('holds as many parsers as it has by default', () => {
    const limit = String(compose().services['ai-worker'].deploy.resources.limits.memory);
    assert.match(limit, /^\d+G$/);
    const parsers = [SETTINGS.WORKER_CONCURRENCY_FAST, SETTINGS.WORKER_CONCURRENCY_HEAVY];
    const count = parsers.reduce((sum, setting) => sum + setting.parse(undefined), 0);
    const containerMb = Number.parseInt(limit, 10) * 1024;
    const { memoryMb, fits } = parserMemory(count, { machineMb: 64 * 1024, containerMb });
    assert.ok(fits);
    assert.ok(memoryMb * count < containerMb);
  });
});

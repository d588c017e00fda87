import assert from 'node:assert/strict';
import { read } from './static-files.ts';

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

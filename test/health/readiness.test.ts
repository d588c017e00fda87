import assert from 'node:assert/strict';
import { createReadiness } from '../../src/health/readiness.ts';

describe('readiness', () => {
  const state = { database: true, queue: true, embedding: true, fits: true };
  const look = async (now: Partial<typeof state>) => {
    const given = { ...state, ...now };
    const readiness = createReadiness({
      probes: { database: async () => given.database, queue: async () => given.queue },
      vital: ['database'],
      dependencies: { embedding: async () => given.embedding },
      fits: () => given.fits,
      lifecycle: { ready: true },
      timeoutMs: 1_000,
      cacheMs: 0,
      version: '1',
    });
    const { ready, body } = await readiness();
    return [ready, body.status, body.checks, body.dependencies];
  };
  const checks = { database: true, queue: true };

  it('is there when everything is', async () => {
    assert.deepEqual(await look({}), [true, 'ok', checks, { embedding: true }]);
  });

  it('shows what it can do without for a while, and stays', async () => {
    assert.deepEqual(await look({ embedding: false }), [true, 'degraded', checks, { embedding: false }]);
  });

  it('is not there without any of its checks', async () => {
    assert.deepEqual(await look({ queue: false }), [
      false,
      'degraded',
      { ...checks, queue: false },
      { embedding: true },
    ]);
    assert.deepEqual((await look({ database: false })).slice(0, 2), [false, 'error']);
  });

  it('is not there where only another configuration would help', async () => {
    assert.deepEqual(await look({ fits: false }), [false, 'error', checks, { embedding: true }]);
  });
});

import assert from 'node:assert/strict';
import { createLifecycle } from '../../src/platform/lifecycle.ts';
import { memoryLogger } from '../support/memory-logger.ts';

describe('lifecycle', () => {
  const open = (timeoutMs = 5_000) => {
    const { logger, lines } = memoryLogger();
    return { lifecycle: createLifecycle({ logger, timeoutMs }), lines };
  };

  it('closes in reverse, once, and goes on past a failure', async () => {
    const { lifecycle, lines } = open();
    const order: string[] = [];
    lifecycle.onClose('first', () => order.push('first'));
    lifecycle.onClose('second', () => Promise.reject(new Error('no')));
    lifecycle.onClose('third', async () => void order.push('third'));
    assert.deepEqual(await Promise.all([lifecycle.close(), lifecycle.close()]), [false, false]);
    assert.deepEqual(order, ['third', 'first']);
    assert.deepEqual(
      lines.map((line) => line['part']),
      ['second'],
    );
  });

  it('is ready from the end of the start to the first moment of the shutdown', async () => {
    const { lifecycle } = open();
    assert.equal(lifecycle.ready, false);
    lifecycle.started();
    assert.equal(lifecycle.ready, true);
    let during: boolean | undefined;
    lifecycle.onClose('look', () => {
      during = lifecycle.ready;
    });
    assert.equal(await lifecycle.close(), true);
    assert.equal(during, false);
    assert.equal(lifecycle.signal.aborted, true);
  });

  it('gives up past its limit', async () => {
    const { lifecycle } = open(20);
    lifecycle.onClose('hangs', () => new Promise(() => undefined));
    // The limit alone must not keep a process alive that has nothing else to do.
    const alive = setInterval(() => undefined, 1000);
    assert.equal(await lifecycle.close(), false);
    clearInterval(alive);
  });
});

import assert from 'node:assert/strict';
import { createLifecycle } from '../../src/platform/lifecycle.ts';
import { memoryLogger } from '../support/memory-logger.ts';
import { until } from '../support/until.ts';

describe('lifecycle', () => {
  const open = ({ timeoutMs = 5_000, delayMs = 0 } = {}) => {
    const { logger, lines } = memoryLogger();
    return { lifecycle: createLifecycle({ logger, timeoutMs, delayMs }), lines };
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
      lines.map(({ level, message, part }) => [level, message, part]),
      [
        ['debug', 'closed', 'third'],
        ['error', 'could not close', 'second'],
        ['debug', 'closed', 'first'],
      ],
    );
    assert.ok(lines.every(({ level, ms }) => level === 'error' || typeof ms === 'number'));
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

  it('goes on as before for its delay, but for being ready; the limit begins after it', async () => {
    const { lifecycle } = open({ delayMs: 200, timeoutMs: 100 });
    lifecycle.started();
    let isClosed = false;
    lifecycle.onClose('server', () => {
      isClosed = true;
    });
    const closing = lifecycle.close();
    assert.deepEqual([lifecycle.ready, lifecycle.signal.aborted, isClosed], [false, false, false]);
    assert.equal(await closing, true);
    assert.deepEqual([lifecycle.signal.aborted, isClosed], [true, true]);
  });

  it('waits for no balancer where it never was ready', async () => {
    const { lifecycle } = open({ delayMs: 600_000 });
    assert.equal(await lifecycle.close(), true);
  });

  it('runs a closer at once that is registered late, and waits for it before what was opened earlier', async () => {
    const { lifecycle } = open();
    const order: string[] = [];
    const late = Promise.withResolvers<void>();
    lifecycle.onClose('database', () => order.push('database'));
    lifecycle.onClose('server', () => {
      lifecycle.onClose('late', async () => {
        order.push('late begins');
        await late.promise;
        order.push('late ends');
      });
      order.push('server');
    });
    const closing = lifecycle.close();
    await until(() => order.includes('server'));
    late.resolve();
    assert.equal(await closing, true);
    assert.deepEqual(order, ['late begins', 'server', 'late ends', 'database']);
    lifecycle.onClose('after all', () => order.push('after all'));
    assert.equal(order.at(-1), 'after all');
  });

  it('gives up past its limit, and names what was still open', async () => {
    const { lifecycle, lines } = open({ timeoutMs: 20 });
    lifecycle.onClose('telemetry', () => undefined);
    lifecycle.onClose('database', () => undefined);
    lifecycle.onClose('hangs', () => new Promise(() => undefined));
    lifecycle.onClose('ends', () => undefined);
    assert.equal(await lifecycle.close(), false);
    const last = lines.at(-1);
    assert.deepEqual([last?.level, last?.['stillOpen']], ['error', ['hangs', 'database', 'telemetry']]);
  });
});

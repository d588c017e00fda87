import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { afterTurn } from '../../src/platform/after-turn.ts';

describe('what is handled after a turn of the event loop', () => {
  it('is handled once, all of a turn together, in order', async () => {
    const handled: string[][] = [];
    const { add, flush } = afterTurn<string>((items) => handled.push([...items]));
    add('a');
    add('b');
    assert.deepEqual(handled, []);
    await setImmediate();
    add('c');
    await setImmediate();
    assert.deepEqual(handled, [['a', 'b'], ['c']]);
    add('d');
    flush();
    assert.deepEqual(handled, [['a', 'b'], ['c'], ['d']]);
    await setImmediate();
    assert.equal(handled.length, 3);
  });
});

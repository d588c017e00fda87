import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { bufferedOutput } from '../../src/platform/buffered-output.ts';

const MESSAGE = Symbol.for('message');
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('buffered output', () => {
  it('keeps so much in memory for a reader that stands still, and counts the rest', async () => {
    let lost = 0;
    const onLost = (lines: number) => {
      lost += lines;
    };
    const waiting: (() => void)[] = [];
    const written: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        written.push(String(chunk));
        waiting.push(done);
      },
    });
    const output = bufferedOutput(stream, { maxWaiting: 100, onLost });
    for (let turn = 0; turn < 50; turn += 1) {
      for (const n of [1, 2]) output.transport.log?.({ [MESSAGE]: `${turn}.${n} ${'x'.repeat(30)}` }, () => undefined);
      await nextTurn();
      assert.ok(stream.writableLength < 200);
    }
    assert.equal(lost, 96);
    const flushed = output.flush();
    while (waiting.length > 0) {
      waiting.shift()?.();
      await nextTurn();
    }
    await flushed;
    assert.match(written.join(''), /^0\.1 x+\n0\.2 x+\n1\.1 x+\n1\.2 x+\n$/);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { withTimeout } from '../../src/platform/timeout.ts';

describe('withTimeout', () => {
  const tooLate = () => new Error('too late');

  it('passes an outcome on', async () => {
    assert.equal(await withTimeout(Promise.resolve(1), 60_000, tooLate), 1);
    await assert.rejects(withTimeout(Promise.reject(new Error('no')), 60_000, tooLate), { message: 'no' });
  });

  it('rejects where there is none in time', async () => {
    await assert.rejects(withTimeout(new Promise(() => undefined), 5, tooLate), { message: 'too late' });
  });

  it('takes an answer that came in time and was not read, as the event loop was held up', async () => {
    const server = createServer((socket) => socket.write('answer')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address && typeof address === 'object');
    const socket = connect(address.port, '127.0.0.1');
    const connected = once(socket, 'connect');
    const answer = once(socket, 'data');
    await Promise.all([connected, once(server, 'connection')]);
    const outcome = withTimeout(answer, 20, tooLate);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    assert.equal(String(await outcome), 'answer');
    socket.destroy();
    server.close();
  });
});

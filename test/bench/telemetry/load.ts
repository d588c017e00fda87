import { connect } from 'node:net';

const CONNECTIONS = 64;
const REQUEST = 'GET /things/1234 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n';
const END_OF_ANSWER = '}'.charCodeAt(0);

/**
 * Asks for the same thing again and again, over a few connections that stay open, for a while. By hand:
 * a client that parses what it gets would need more CPU than the server.
 * @returns how many answers came.
 */
export async function load(port: number, ms: number): Promise<number> {
  let answers = 0;
  const end = performance.now() + ms;
  const askUntilEnd = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
      socket.setNoDelay().once('error', reject).once('close', resolve);
      socket.on('data', (data) => {
        if (data.at(-1) !== END_OF_ANSWER) return;
        answers += 1;
        if (performance.now() < end) socket.write(REQUEST);
        else socket.destroy();
      });
    });
  // A client that sleeps has to be woken, by the server, at the cost of its CPU: the faster the client, the dearer.
  const stayAwake = () => {
    if (performance.now() < end) setImmediate(stayAwake);
  };
  stayAwake();
  await Promise.all(Array.from({ length: CONNECTIONS }, askUntilEnd));
  return answers;
}

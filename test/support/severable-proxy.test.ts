import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { openSeverableProxy, type SeverableProxy } from './severable-proxy.ts';
import { until } from './until.ts';

describe('a severable way', () => {
  let server: Server;
  let way: SeverableProxy;
  const clients: Socket[] = [];
  let atServer: number;
  beforeEach(async () => {
    atServer = 0;
    server = createServer((socket) => {
      atServer += 1;
      socket.on('error', () => undefined).on('close', () => (atServer -= 1));
      socket.pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    way = await openSeverableProxy((server.address() as AddressInfo).port);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
    way.close();
    server.close();
  });

  /** Sends words to the echo, and keeps what comes back. */
  const open = () => {
    const socket = connect(way.port, '127.0.0.1');
    clients.push(socket);
    const seen = { text: '', isClosed: false };
    socket.on('data', (data) => (seen.text += data));
    socket.on('error', () => undefined).on('close', () => (seen.isClosed = true));
    return { seen, say: (text: string) => void socket.write(text), end: () => void socket.end() };
  };
  const talking = async () => {
    const client = open();
    client.say('a');
    await until(() => client.seen.text === 'a');
    return client;
  };

  it('breaks every connection when it is cut', async () => {
    const client = await talking();
    way.cut();
    await until(() => client.seen.isClosed && atServer === 0);
    way.mend();
    await talking();
  });

  it('holds what is sent, and delivers it later', async () => {
    const client = await talking();
    way.hold();
    client.say('b');
    const later = open();
    later.say('c');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([client.seen.text, later.seen.text], ['a', '']);
    way.mend();
    await until(() => client.seen.text === 'ab' && later.seen.text === 'c');
  });

  it('loses connections for good, but for new ones', async () => {
    const client = await talking();
    way.lose();
    client.say('b');
    way.mend();
    client.say('c');
    await talking();
    assert.deepEqual(client.seen, { text: 'a', isClosed: false });
    client.end();
    await until(() => client.seen.isClosed && atServer === 1);
  });
});

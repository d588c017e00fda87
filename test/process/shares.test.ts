import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { type ErrorBody, type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const GREEDY = 'a-key-that-wants-everything-it-can-get';
const OTHER = 'a-key-that-has-something-to-do-as-well';

describe('the shares of keys', function suite() {
  this.timeout(180_000);
  let service: Service;
  const sockets: Socket[] = [];
  before(async () => {
    service = await startService({ API_KEY: `${GREEDY},${OTHER}`, MAX_CONCURRENT_UPLOADS: '4' });
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await service?.stop();
  });

  /** Begins an upload of the greedy key, and leaves it at that. */
  function hold(type: string, announced: number, start: string): void {
    const { hostname, port } = new URL(service.stack.apiUrl);
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    sockets.push(socket.resume());
    socket.write(
      `POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nX-API-Key: ${GREEDY}\r\nContent-Type: ${type}\r\nContent-Length: ${announced}\r\n\r\n${start}`,
    );
  }
  const upload = (key: string) => {
    const body = JSON.stringify({ name: 'a.txt', content: randomUUID() });
    const headers = { 'content-type': 'application/json', 'x-api-key': key };
    return service.call('/api/v1/documents', { method: 'POST', headers, body });
  };
  async function series(name: string, label: string): Promise<number> {
    const text = await (await fetch(service.stack.metricsUrl)).text();
    return Number(new RegExp(`^${name}\\{.*"${label}".*\\} (\\d+)$`, 'm').exec(text)?.[1]);
  }
  const held = (count: number) => until(async () => (await series('http_bodies_in_progress', 'upload')) === count);

  it('are not spent by what is only announced', async () => {
    for (let index = 0; index < 3; index += 1) hold('application/json', 16 * 1024 * 1024, '{"name":"');
    await held(3);
    for (const key of [GREEDY, OTHER]) assert.equal((await upload(key)).status, 202);
    assert.equal(await series('requests_refused_total', 'json_bytes'), 0);
  });

  it('leave something for others, when one has taken all', async () => {
    hold('multipart/form-data; boundary=b', 1_000, '--b\r\n');
    await held(4);
    const refused = await upload(GREEDY);
    const { error, message } = (await refused.json()) as ErrorBody;
    assert.deepEqual([refused.status, error, refused.headers.get('retry-after')], [429, 'QUEUE_FULL', '2']);
    assert.match(message, /^There are 4 uploads arriving already, or your key has its share/);
    assert.equal(await series('requests_refused_total', 'uploads'), 1);
    assert.equal((await upload(OTHER)).status, 202);
    for (const socket of sockets) socket.destroy();
    await held(0);
    assert.equal((await upload(GREEDY)).status, 202);
  });
});

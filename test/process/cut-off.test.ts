import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { seededRandom } from '../chaos/random.ts';
import { resetSocket } from '../support/reset-socket.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const TIMES = 1_000;
/** Fewer than there are places. */
const AT_A_TIME = 15;
const SIZE = 400_000;

describe('clients that leave in the middle', function suite() {
  this.timeout(300_000);
  const random = seededRandom(7);
  let service: Service;
  let pid: number | undefined;
  let target: ShownDocument;
  before(async () => {
    service = await startService();
    // Documents stay queued, so that their event streams stay open.
    process.kill(pidOf('worker') ?? 0, 'SIGSTOP');
    pid = pidOf('backend');
    target = (await (await service.upload('target.txt', 'x'.repeat(SIZE))).json()) as ShownDocument;
  });
  after(async () => {
    if (pidOf('worker')) process.kill(pidOf('worker') ?? 0, 'SIGCONT');
    await service?.stop();
  });

  const pidOf = (name: string) => service.stack.processes.find((process) => process.name === name)?.pid;
  const head = (start: string, more = '') =>
    `${start} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${service.stack.apiKey}\r\n${more}\r\n`;
  const upTo = (max: number) => Math.floor(random() * (max + 1));

  /** Sends what it may of a request, reads what it may of the answer, and is gone, politely or not. */
  function leave(request: string, limits: { sent: number; read: number }): Promise<void> {
    const { hostname, port } = new URL(service.stack.apiUrl);
    const isPolite = random() < 0.5;
    return new Promise((resolve) => {
      let received = 0;
      const gone = () => (isPolite ? socket.destroy() : resetSocket(socket));
      const socket = connect(Number(port), hostname, () => {
        socket.write(request.slice(0, limits.sent), () => (limits.read === 0 ? gone() : undefined));
      });
      socket.on('data', (piece) => {
        received += piece.length;
        if (received >= limits.read) gone();
      });
      socket.on('error', () => undefined).on('close', () => resolve());
    });
  }

  async function many(act: () => Promise<void>): Promise<void> {
    const turns = Array.from({ length: TIMES }).values();
    await Promise.all(
      Array.from({ length: AT_A_TIME }, async () => {
        for (const _turn of turns) await act();
      }),
    );
  }

  async function inProgress(kind: string): Promise<number> {
    const series = await (await fetch(service.stack.metricsUrl)).text();
    return Number(new RegExp(`^http_bodies_in_progress\\{kind="${kind}"\\} (\\d+)$`, 'm').exec(series)?.[1]);
  }
  const assertNothingStays = (kind: string) => until(async () => (await inProgress(kind)) === 0);

  it('leave no upload behind, as a form or as JSON', async () => {
    const form = `--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n${'y'.repeat(20_000)}\r\n--b--`;
    const json = `{"name":"a.txt","content":"${'y'.repeat(20_000)}`;
    for (const [type, body] of [
      ['multipart/form-data; boundary=b', form],
      ['application/json', json],
    ] as const) {
      const request = head('POST /api/v1/documents', `Content-Type: ${type}\r\nContent-Length: 90000\r\n`) + body;
      await many(() => leave(request, { sent: upTo(request.length), read: 0 }));
    }
    await assertNothingStays('upload');
  });

  it('leave no download behind', async () => {
    const request = head(`GET /api/v1/documents/${target.id}/content`);
    await many(() => leave(request, { sent: request.length, read: upTo(SIZE) }));
    await assertNothingStays('download');
  });

  it('leave no event stream behind', async () => {
    const request = head(`GET /api/v1/documents/${target.id}/events`);
    await many(() => leave(request, { sent: request.length, read: upTo(600) }));
    await assertNothingStays('events');
  });

  it('are no error, and take nothing from those who stay', async () => {
    assert.equal(pidOf('backend'), pid);
    const errors = service.lines.filter((line) => line.startsWith('backend') && line.includes('"level":"error"'));
    assert.deepEqual(errors, []);
    const content = await service.call(`/api/v1/documents/${target.id}/content`);
    assert.equal((await content.text()).length, SIZE);
    await service.call(`/api/v1/documents/${target.id}`, { method: 'DELETE' });
    process.kill(pidOf('worker') ?? 0, 'SIGCONT');
    const uploads = await Promise.all(Array.from({ length: 20 }, () => service.upload('stays.txt', randomUUID())));
    for (const upload of uploads) {
      assert.equal(upload.status, 202);
      assert.equal((await service.settled(((await upload.json()) as ShownDocument).id)).status, 'completed');
    }
  });
});

import assert from 'node:assert/strict';
import { type AlertMessage, postAlert } from '../../src/alerting/webhook.ts';
import { openWebhookServer, type WebhookServer } from './webhook-server.ts';

const message: AlertMessage = {
  text: 'something',
  level: 'error',
  message: 'something',
  context: { part: 'x' },
  timestamp: '2026-01-01T00:00:00.000Z',
  traceId: null,
};

describe('webhook', () => {
  const servers: WebhookServer[] = [];
  const open = async (...args: Parameters<typeof openWebhookServer>) => {
    const server = await openWebhookServer(...args);
    servers.push(server);
    return server;
  };
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

  it('takes a message as JSON', async () => {
    const server = await open();
    await postAlert(message, { url: server.url });
    assert.deepEqual(server.received, [message]);
  });

  it('is tried again where that may help, and not for ever', async () => {
    const recovering = await open((request) => ({ status: request < 3 ? 503 : 200 }));
    await postAlert(message, { url: recovering.url, retryMs: 1 });
    assert.equal(recovering.received.length, 3);
    const broken = await open(() => ({ status: 500 }));
    await assert.rejects(postAlert(message, { url: broken.url, retryMs: 1 }), { code: 'HTTP_500' });
    assert.equal(broken.received.length, 3);
  });

  it('is not tried again where it says no', async () => {
    const server = await open(() => ({ status: 404 }));
    await assert.rejects(postAlert(message, { url: server.url, retryMs: 1 }), { code: 'HTTP_404' });
    assert.equal(server.received.length, 1);
  });

  it('leads nowhere else', async () => {
    const elsewhere = await open();
    const server = await open(() => ({ status: 307, headers: { location: elsewhere.url } }));
    await assert.rejects(postAlert(message, { url: server.url, retryMs: 1 }), { code: 'REDIRECTED' });
    assert.deepEqual([server.received.length, elsewhere.received.length], [1, 0]);
  });

  it('may be silent, or away', async () => {
    const silent = await open(() => 'nothing');
    const options = { timeoutMs: 50, retryMs: 1, attempts: 2 };
    await assert.rejects(postAlert(message, { url: silent.url, ...options }), { code: 'TimeoutError' });
    assert.equal(silent.received.length, 2);
    const away = await open();
    await away.close();
    servers.pop();
    await assert.rejects(postAlert(message, { url: away.url, ...options }), { code: 'ECONNREFUSED' });
  });
});

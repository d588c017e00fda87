import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

const PROGRAM = `
  import { forwardErrors } from './src/alerting/forward-errors.ts';
  import { createLifecycle } from './src/platform/lifecycle.ts';
  import { endAtOnce } from './src/platform/log-crash.ts';
  import { openLogger } from './src/platform/logger.ts';
  const logger = openLogger({ service: 'test', version: '1', level: 'info', format: 'json' });
  const lifecycle = createLifecycle({ logger, timeoutMs: 1000, delayMs: 0 });
  const told = forwardErrors({ backendUrl: process.argv[1], tokens: { first: 'token' }, logger, lifecycle });
  for (const lane of ['fast', 'heavy']) void endAtOnce(logger, 'ends', { lane }, told);`;

describe('errors of a process that ends itself', function () {
  this.timeout(30_000);

  it('reach the backend and the log, all of them', async () => {
    const messages: unknown[] = [];
    const backend = createServer(async (request, response) => {
      messages.push(((await json(request)) as { message: string }).message);
      response.writeHead(204).end();
    }).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const { port } = backend.address() as AddressInfo;
    try {
      const child = spawn(
        process.execPath,
        ['--input-type=module', '--eval', PROGRAM, '--', `http://127.0.0.1:${port}`],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let written = '';
      child.stdout.on('data', (text) => {
        written += text;
      });
      const [status] = await once(child, 'close');
      assert.equal(status, 1);
      assert.deepEqual(messages, ['ends', 'ends']);
      assert.match(written, /"lane":"fast".*\n.*"lane":"heavy"/);
    } finally {
      backend.close();
    }
  });
});

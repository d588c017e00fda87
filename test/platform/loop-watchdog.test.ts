import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const WATCHDOG = new URL('../../src/platform/loop-watchdog.ts', import.meta.url).href;

/** A process that does what it is told under the watchdog, and how it ended. */
async function end(deed: string): Promise<(number | string | null)[]> {
  const program = `import { startLoopWatchdog } from '${WATCHDOG}';
    const stop = startLoopWatchdog({ limitMs: 1000 });
    ${deed}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  return once(child, 'exit');
}

describe('the watchdog of the event loop', function suite() {
  this.timeout(30_000);

  it('kills a process whose loop is blocked for good', async () => {
    assert.deepEqual(await end('setTimeout(() => { for (;;); }, 100);'), [null, 'SIGKILL']);
  });

  it('leaves one alone that is idle, and does not keep it running', async () => {
    assert.deepEqual(await end('setTimeout(() => {}, 3000);'), [0, null]);
  });

  it('leaves one alone that was frozen, however long', async () => {
    const freeze = `import { spawn } from 'node:child_process';
      const thaw = \`sleep 3; kill -CONT \${process.pid}\`;
      setTimeout(() => { spawn('sh', ['-c', thaw], { stdio: 'ignore' }); process.kill(process.pid, 'SIGSTOP'); }, 300);
      setTimeout(() => {}, 5000);`;
    assert.deepEqual(await end(freeze), [0, null]);
  });

  it('leaves one alone after its end', async () => {
    assert.deepEqual(await end('await stop(); const end = Date.now() + 2500; while (Date.now() < end);'), [0, null]);
  });
});

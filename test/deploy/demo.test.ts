import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ROOT } from '../../deploy/local/root.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The demo as a newcomer runs it, but on a folder and on ports of its own. */
async function runDemo(dataDir: string): Promise<{ status: number; output: string }> {
  const child = spawn(process.execPath, ['deploy/local/demo.ts', '--exit'], {
    cwd: ROOT,
    env: {
      ...process.env,
      RAGBASE_DATA_DIR: dataDir,
      ...{ PORT: '0', INTERNAL_PORT: '0', WORKER_PORT: '0' },
      ...{ DATABASE_URL: '', REDIS_URL: '', API_KEY: '', npm_lifecycle_event: '' },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { status, output: stdout + stderr };
}

describe('npm run demo -- --exit', function () {
  this.timeout(240_000);

  it('takes documents all the way to answers and a trace; and again, on what is there already', async () => {
    await using folder = await temporaryFolder();
    const first = await runDemo(folder.path);
    assert.equal(first.status, 0, first.output);
    assert.match(first.output, /12\/12 /);
    assert.match(first.output, /lamp burn.*\n {2}1\. lighthouse-history\.txt/);
    assert.match(first.output, /channel become.*\n {2}1\. harbour-survey\.pdf › page 1/);
    assert.match(first.output, /safe to drink.*\n {2}1\. keepers-handbook\.md/);
    const trace = first.output.slice(first.output.indexOf('Trace of harbour-survey.pdf'));
    assert.match(trace, /POST \/api\/v1\/documents +ragbase-backend/);
    assert.match(trace, /─ process documents-heavy +ragbase-ai-worker/);

    const second = await runDemo(folder.path);
    assert.equal(second.status, 0, second.output);
    assert.equal(second.output.match(/was there already/g)?.length, 12);
    assert.match(second.output, /─ process documents-heavy +ragbase-ai-worker/);
  });
});

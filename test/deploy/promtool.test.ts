import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../deploy/local/root.ts';
import { expressions, list } from './static-files.ts';
import { temporaryFolder } from './temporary-folder.ts';

const promtool = (...args: string[]) =>
  spawnSync('promtool', args, { cwd: join(ROOT, 'deploy/prometheus'), encoding: 'utf8', timeout: 240_000 });
const inFolder = (paths: string[]) => paths.map((path) => path.replace('deploy/prometheus/', ''));

// Debian and Ubuntu have it in their package `prometheus`.
describe('promtool', function suite() {
  this.timeout(300_000);
  before(function needsPromtool() {
    if (promtool('--version').status !== 0) this.skip();
  });

  it('accepts every rule', () => {
    const { status, stderr } = promtool('check', 'rules', ...inFolder(list('deploy/prometheus/rules', '.yml')));
    assert.equal(status, 0, stderr);
  });

  it('sees each alert fire when it should, and only then', () => {
    const { status, stdout, stderr } = promtool('test', 'rules', ...inFolder(list('deploy/prometheus/tests', '.yml')));
    assert.equal(status, 0, stdout + stderr);
  });

  it('can read every expression of the dashboards', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'dashboards.json');
    const rules = expressions().map(({ where, expr }, index) => ({
      record: `panel:expression:${index}`,
      labels: { where },
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }));
    await writeFile(path, JSON.stringify({ groups: [{ name: 'dashboards', rules }] }));
    const { status, stderr } = promtool('check', 'rules', path);
    assert.equal(status, 0, stderr);
  });
});

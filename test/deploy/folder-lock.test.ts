import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { lockFile } from '../../deploy/local/folder-lock.ts';
import { temporaryFolder } from './temporary-folder.ts';

const LOCK = import.meta.resolve('../../deploy/local/folder-lock.ts');

/** Another process that holds the lock. */
async function holder(file: string): Promise<ChildProcess> {
  const script = `
    const { lockFile } = await import(${JSON.stringify(LOCK)});
    if (!(await lockFile(${JSON.stringify(file)}, { waitMs: 0 }))) process.exit(1);
    process.stdout.write('held');
    setInterval(() => undefined, 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

describe('lockFile', () => {
  it('refuses while another process holds the lock, and is free at once after its kill -9', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'lock');
    const other = await holder(file);
    assert.equal(await lockFile(file, { waitMs: 0 }), undefined);
    other.kill('SIGKILL');
    await once(other, 'exit');
    const release = await lockFile(file, { waitMs: 0 });
    assert.ok(release);
    release();
  });

  it('waits for the holder to go, and says that it waits', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'lock');
    const other = await holder(file);
    const release = await lockFile(file, { waitMs: 30_000, onWait: () => other.kill('SIGTERM') });
    assert.ok(release);
    release();
  });

  it('can be taken again after its release', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'lock');
    const release = await lockFile(file, { waitMs: 0 });
    assert.equal(await lockFile(file, { waitMs: 0 }), undefined);
    release?.();
    const again = await lockFile(file, { waitMs: 0 });
    assert.ok(again);
    again();
  });
});

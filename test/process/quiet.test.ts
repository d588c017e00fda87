import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { temporaryFolder } from '../deploy/temporary-folder.ts';
import { startService } from '../support/service.ts';

describe('the output of both processes', function suite() {
  this.timeout(180_000);

  it('is lines of JSON and nothing else, from the start to the end', async () => {
    await using home = await temporaryFolder();
    const service = await startService({
      NODE_ENV: 'production',
      LOG_LEVEL: 'debug',
      HOME: home.path,
      XDG_CACHE_HOME: home.path,
    });
    const upload = await service.upload('harbour.md', '# Harbour\n\nThe pilots meet at noon.');
    const { id } = (await upload.json()) as { id: string };
    assert.equal((await service.settled(id)).status, 'completed');
    const search = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"query":"pilots"}' };
    assert.equal((await service.call('/api/v1/search', search)).status, 200);
    assert.equal(await service.stop(), true);

    const ours = service.lines.filter((line) => /^(backend|worker) /.test(line));
    const texts = ours.map((line) => line.slice(line.indexOf(' ') + 1));
    for (const name of ['backend', 'worker']) assert.ok(ours.filter((line) => line.startsWith(name)).length > 5, name);
    assert.deepEqual(
      texts.filter((text) => !isRecord(text)),
      [],
    );
    // A library that reports to its makers keeps what it could not send yet, and an id of the machine.
    assert.deepEqual(await readdir(home.path), []);
  });
});

function isRecord(text: string): boolean {
  try {
    const { timestamp, level, message } = JSON.parse(text);
    return [timestamp, level, message].every((field) => typeof field === 'string');
  } catch {
    return false;
  }
}

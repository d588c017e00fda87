import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { ROOT } from '../../deploy/local/root.ts';
import { compose, type Loose, read, readYaml } from './static-files.ts';
import { temporaryFolder } from './temporary-folder.ts';

const SCRIPT = join(ROOT, 'deploy/alertmanager/start.sh');
const CONFIG = join(ROOT, 'deploy/alertmanager/alertmanager.yml');
const URLS = {
  none: ['none'],
  webhook: ['https://alerts.example.org/hook', 'http://relay:8080/'],
  slack: ['https://hooks.slack.com/services/T0/B0/x'],
  discord: ['https://discord.com/api/webhooks/1/x', 'https://discordapp.com/api/webhooks/1/x'],
  teams: [
    'https://example.webhook.office.com/webhookb2/x',
    'https://prod-01.westeurope.logic.azure.com:443/workflows/x',
    'https://default1.ab.environment.api.powerplatform.com:443/powerautomate/x',
  ],
  pagerduty: ['0123456789abcdef0123456789ABCDEF'],
};

/** Runs the script before a program that prints its arguments, in the place of Alertmanager. */
async function start(secret: string, env: NodeJS.ProcessEnv = {}) {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'alertmanager'), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  const file = join(folder.path, 'secret');
  await writeFile(file, secret);
  const given = { ...env, PATH: `${folder.path}:${process.env['PATH']}`, ALERTMANAGER_WEBHOOK_URL_FILE: file };
  const args = [SCRIPT, `--config.file=${CONFIG}`, `--storage.path=${folder.path}`, '--web.external-url=http://x'];
  const ended = await promisify(execFile)('sh', args, { env: given }).catch((error) => error);
  const copy = join(folder.path, 'alertmanager.yml');
  if (ended.code) return { errors: ended.stderr as string };
  assert.deepEqual(ended.stdout.trim().split('\n'), [
    `--config.file=${copy}`,
    `--storage.path=${folder.path}`,
    '--web.external-url=http://x',
  ]);
  const { route, receivers } = parse(await readFile(copy, 'utf8')) as Loose;
  return { to: route.receiver, watchdog: route.routes[0].receiver, names: receivers.map(({ name }: Loose) => name) };
}

describe('Alertmanager', function suite() {
  this.timeout(60_000);

  for (const [kind, secrets] of Object.entries(URLS))
    it(`sends alerts to ${kind} where the address says so, and the watchdog to no people`, async () => {
      for (const secret of secrets) {
        const { to, watchdog, names } = await start(`${secret}\n`);
        assert.deepEqual([to, watchdog], [kind, kind === 'webhook' ? 'webhook' : 'none'], secret);
        assert.deepEqual(names, Object.keys(URLS));
      }
    });

  it('sends them where the setting says, whatever the address', async () => {
    const secret = 'https://chat.example.org/hooks/x';
    assert.equal((await start(secret, { ALERTMANAGER_RECEIVER: 'slack' })).to, 'slack');
    assert.equal((await start('none', { ALERTMANAGER_RECEIVER: 'slack' })).to, 'none');
    assert.match((await start(secret, { ALERTMANAGER_RECEIVER: 'slakc' })).errors ?? '', /^ALERTMANAGER_RECEIVER is/);
  });

  it('does not start without somebody, or `none`', async () => {
    assert.match((await start('')).errors ?? '', /^ALERTMANAGER_WEBHOOK_URL is empty/);
    assert.match(compose().configs.secrets.content, /\$\{ALERTMANAGER_WEBHOOK_URL:\?/);
  });

  it('reads the address from its secret alone, and its words from one file', () => {
    const { receivers, templates } = readYaml('deploy/alertmanager/alertmanager.yml');
    const words = read('deploy/alertmanager/messages.tmpl');
    for (const { name, ...rest } of receivers as Loose[]) {
      const [settings] = Object.values<Loose>(rest).flat();
      if (name === 'none') continue;
      const secrets = Object.entries<Loose>(settings).filter(([key]) => /_file$/.test(key));
      assert.deepEqual(
        secrets.map(([, value]) => value),
        ['/run/secrets/alertmanager_webhook_url'],
        name,
      );
      assert.equal(settings.send_resolved, true, name);
      for (const [, used = ''] of JSON.stringify(settings).matchAll(/template \\"([\w.]+)\\"/g))
        assert.ok(words.includes(`define "${used}"`), used);
    }
    assert.deepEqual(templates, ['/etc/alertmanager/*.tmpl']);
  });

  it('accepts its file', function needsAmtool() {
    const { status, stderr, stdout } = spawnSync('amtool', ['--version'], { encoding: 'utf8' });
    const [, minor] = /version 0\.(\d+)/.exec(`${stdout}${stderr}`) ?? [];
    // Before 0.28 it knows no Teams.
    if (status !== 0 || Number(minor) < 28) this.skip();
    const checked = spawnSync('amtool', ['check-config', CONFIG], { encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stderr);
  });
});

import assert from 'node:assert/strict';
import ms, { type StringValue } from 'ms';
import { SETTINGS } from '../../src/config.ts';
import { compose, read } from './static-files.ts';

const overlay = read('deploy/compose.proxy.yml');
const caddyfile = read('deploy/proxy/Caddyfile');
const seconds = (text: string | undefined) => ms((text ?? '') as StringValue) / 1000;

describe('the proxy', () => {
  it('ends idle connections to a backend before the backend does', () => {
    const keepAlive = seconds(/^\s*keepalive (\w+)$/m.exec(caddyfile)?.[1]);
    assert.ok(keepAlive > 0 && keepAlive < SETTINGS.KEEP_ALIVE_TIMEOUT.parse(undefined) / 1000);
  });

  it('notices that a backend is going before its port is closed, and is given the time', () => {
    const [interval, timeout] = ['interval', 'timeout'].map((name) =>
      seconds(new RegExp(`health_${name} (\\w+)`).exec(caddyfile)?.[1]),
    ) as [number, number];
    const delay = seconds(/SHUTDOWN_DELAY_MS:-(\d+)/.exec(overlay)?.[1]);
    const grace = seconds(/stop_grace_period: (\w+)/.exec(overlay)?.[1]);
    assert.ok(interval + timeout < delay);
    assert.ok(delay + SETTINGS.SHUTDOWN_TIMEOUT_MS.parse(undefined) / 1000 < grace);
    assert.ok(delay < seconds(compose().services.backend.stop_grace_period));
  });
});

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { findChromium, openPage, type Page } from '../support/chromium.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

describe('/docs in a browser', function suite() {
  this.timeout(400_000);
  let service: Service;
  let page: Page;
  before(async function start() {
    const program = findChromium();
    if (program === undefined) {
      process.stdout.write('    skipped: there is no chromium on this machine\n');
      return this.skip();
    }
    service = await startService();
    page = await openPage(program);
  });
  after(async () => {
    await page?.close();
    await service?.stop();
  });

  it('shows every call and tries one, asking no other host and breaking no policy', async () => {
    const { apiUrl, apiKey } = service.stack;
    const { paths } = (await (await fetch(`${apiUrl}/openapi.json`)).json()) as { paths: Record<string, object> };
    const calls = Object.values(paths).flatMap((methods) => Object.keys(methods)).length;
    await page.open(`${apiUrl}/docs`);
    await until(async () => (await page.evaluate(`document.querySelectorAll('.opblock').length`)) === calls);

    const there = (selector: string) => page.evaluate(`document.querySelector('${selector}') !== null`);
    // A page that is still being drawn may miss a click.
    const clickUntilThere = (button: string, shown: string) =>
      until(async () => {
        if (!(await there(shown))) await page.evaluate(`document.querySelector('${button}').click()`);
        await delay(500);
        return there(shown);
      });
    await page.evaluate(`
      const native = window.fetch;
      window.fetch = (request) => native(new Request(request, { headers: { 'X-API-Key': '${apiKey}' } }));`);
    await clickUntilThere('[id$="-getStats"] button', '[id$="-getStats"] .execute');
    await clickUntilThere('[id$="-getStats"] .execute', '[id$="-getStats"] .live-responses-table');
    assert.match(
      String(await page.evaluate(`document.querySelector('[id$="-getStats"] .live-responses-table').textContent`)),
      /200[\s\S]*dimensions/,
    );

    assert.deepEqual(page.complaints, []);
    const hosts = page.requests.filter((url) => !url.startsWith('data:')).map((url) => new URL(url).origin);
    assert.ok(hosts.length >= 5);
    assert.deepEqual(
      [...new Set(hosts)].filter((origin) => origin !== 'null'),
      [apiUrl],
    );
  });
});

import assert from 'node:assert/strict';
import { chunkAllowance, cpuAllowance, parserMemory } from '../../src/ai-worker/parse-limits.ts';
import { usageByPs, usageOf } from '../../src/ai-worker/process-usage.ts';

describe('the limits of a parser', () => {
  for (const [what, machineMb, containerMb, processes, memoryMb, fits] of [
    ['a large machine', 32_000, undefined, 3, 1024, true],
    ['a machine of 4 GB', 4000, undefined, 3, 666, true],
    ['the container of the compose file', 32_000, 3072, 3, 682, true],
    ['a container for more parsers', 32_000, 3072, 8, 256, true],
    ['a container too small for them', 32_000, 1536, 3, 256, false],
    ['a machine too small for them', 1000, undefined, 3, 256, false],
  ] as const)
    it(`shares out the memory of ${what}`, () => {
      assert.deepEqual(parserMemory(processes, { machineMb, containerMb }), { memoryMb, fits });
    });

  it('never grants all parsers together more than this machine has', () => {
    const { memoryMb, fits } = parserMemory(4);
    assert.ok(!fits || memoryMb * 4 * 1024 * 1024 < (process.constrainedMemory() || Number.POSITIVE_INFINITY));
  });

  it('grants computing and chunks by the size of the document', () => {
    const mib = 1024 * 1024;
    assert.equal(cpuAllowance(0, { baseMs: 20_000, ocr: false }), 20_000);
    assert.equal(cpuAllowance(8 * mib, { baseMs: 20_000, ocr: false }), 100_000);
    assert.ok(cpuAllowance(mib, { baseMs: 0, ocr: true }) > cpuAllowance(mib, { baseMs: 0, ocr: false }));
    assert.equal(chunkAllowance(0, 20_000), 1000);
    assert.equal(chunkAllowance(14_000, 20_000), 2400);
    assert.equal(chunkAllowance(50 * mib, 20_000), 20_000);
  });
});

describe('what a process uses', () => {
  for (const [how, usage] of [
    ['by the system', usageOf],
    ['by ps', usageByPs],
  ] as const)
    it(`is read ${how}`, async () => {
      const used = await usage(process.pid);
      assert.ok(used !== undefined);
      const { user, system } = process.cpuUsage();
      const cpuMs = (user + system) / 1000;
      // `ps` counts whole seconds.
      assert.ok(used.cpuMs <= cpuMs + 20 && used.cpuMs > cpuMs - 1020, `${used.cpuMs} ms of ${cpuMs}`);
      assert.ok(used.rssBytes > process.memoryUsage.rss() / 2);
      assert.ok(used.rssBytes < process.memoryUsage.rss() * 2);
    });

  it('is nothing where there is no process', async () => {
    assert.equal(await usageOf(2 ** 30), undefined);
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findEnclosure } from '../../src/ai-worker/parse-enclosure.ts';
import { openParsePool } from '../../src/ai-worker/parse-pool.ts';
import { openParserGate, type ParserGate } from '../../src/ai-worker/parser-gate.ts';
import { createLifecycle, type Lifecycle } from '../../src/platform/lifecycle.ts';
import { type LogLine, memoryLogger } from '../support/memory-logger.ts';
import { until } from '../support/until.ts';
import { parserProcesses } from './parser-processes.ts';

describe('the gate before the parsers', function suite() {
  this.timeout(60_000);
  const never = new AbortController().signal;
  let folder: string;
  let lifecycle: Lifecycle;
  let lines: LogLine[];
  let gate: ParserGate;
  /** Where the parser's code is missing until it is put there. */
  const code = () => join(folder, 'child.ts');
  const putCode = () => {
    const child = new URL('../../src/ai-worker/parse-child.ts', import.meta.url);
    writeFileSync(code(), `import ${JSON.stringify(child.href)};`);
  };
  const open = async () => {
    const memory = memoryLogger();
    lines = memory.lines;
    lifecycle = createLifecycle({ logger: memory.logger, delayMs: 0, timeoutMs: 10_000 });
    const pool = openParsePool({
      enclosure: await findEnclosure(),
      concurrency: 1,
      timeoutMs: 60_000,
      cpuMs: 30_000,
      memoryMb: 512,
      maxChunks: 100,
      ocr: false,
      modulePath: pathToFileURL(code()),
    });
    lifecycle.onClose('pool', () => pool.close());
    gate = openParserGate(pool, { logger: memory.logger, lifecycle });
  };
  const parse = async () => {
    const bytes = new TextEncoder().encode('Low water at six.');
    return (await gate.parsePool.parse({ format: 'txt', name: 'a.txt', bytes, owner: 'one' })).chunks[0]?.text;
  };
  const said = (level: string) => lines.filter((line) => line.level === level);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ragbase-gate-'));
  });
  afterEach(async () => {
    assert.ok(await lifecycle.close());
    rmSync(folder, { recursive: true });
  });

  it('opens where a known text is read', async () => {
    putCode();
    await open();
    await gate.pass(never);
    assert.ok(gate.isOpen);
    assert.deepEqual(lines, []);
  });

  it('stays closed while none can be, says why in one line, and opens by itself', async () => {
    await open();
    let waits = 0;
    const passed = gate.pass(never, () => void waits++);
    await until(() => said('error').length === 1);
    assert.equal(gate.isOpen, false);
    assert.match(String(said('error')[0]?.['reason']), /Cannot find module '[^\n]*child\.ts'[^\n]*$/);
    putCode();
    await passed;
    assert.ok(waits > 0, 'whoever waits says so');
    assert.ok(gate.isOpen);
    assert.equal(said('info').length, 1);
    assert.equal(await parse(), 'Low water at six.');
    assert.equal(said('error').length, 1);
  });

  it('keeps a document that no parser could be started for, until one can', async () => {
    putCode();
    await open();
    await gate.pass(never);
    rmSync(code());
    for (const pid of parserProcesses()) process.kill(pid, 'SIGKILL');
    await until(() => parserProcesses().length === 0);
    const parsed = parse();
    await until(() => said('error').length === 1);
    assert.equal(gate.isOpen, false);
    putCode();
    assert.equal(await parsed, 'Low water at six.');
    assert.ok(gate.isOpen);
  });

  it('ends a wait that is aborted, and at shutdown', async () => {
    await open();
    const abort = new AbortController();
    const passed = gate.pass(abort.signal);
    abort.abort(new Error('shutting down'));
    await assert.rejects(passed);
    assert.ok(await lifecycle.close());
  });
});

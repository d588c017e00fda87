import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Enclosure, findEnclosure } from '../../src/ai-worker/parse-enclosure.ts';
import { ParserStartError } from '../../src/ai-worker/parse-end.ts';
import { openParsePool, type ParsePool, type ParsePoolOptions } from '../../src/ai-worker/parse-pool.ts';
import { usageOf } from '../../src/ai-worker/process-usage.ts';
import { ProcessingError } from '../../src/documents/job.ts';
import { drawText } from '../fixtures/draw-text.ts';
import { writePdf } from '../fixtures/write-pdf.ts';
import { until } from '../support/until.ts';
import { isAlive, parserProcesses } from './parser-processes.ts';

const hostileChild = new URL('./hostile-child.ts', import.meta.url);

describe('the parse pool', () => {
  let enclosure: Enclosure;
  let pool: ParsePool;
  before(async () => {
    enclosure = await findEnclosure();
  });
  const open = (options: Partial<ParsePoolOptions> = {}): ParsePool => {
    pool = openParsePool({
      enclosure,
      concurrency: 1,
      timeoutMs: 60_000,
      cpuMs: 30_000,
      memoryMb: 512,
      maxChunks: 20_000,
      ocr: false,
      ...options,
    });
    return pool;
  };
  /** Parses a document of a process that does what its name says. */
  const act = async (name: string, signal?: AbortSignal, owner = 'one'): Promise<string> => {
    const document = { format: 'txt', name, bytes: new Uint8Array(), owner } as const;
    const { chunks } = await pool.parse({ ...document, ...(signal && { signal }) });
    return chunks[0]?.text ?? '';
  };
  afterEach(() => pool.close());

  describe('with the real parsers', () => {
    it('parses and chunks', async () => {
      open();
      const bytes = new TextEncoder().encode('# Tides\n\nHigh water at noon.');
      const { chunks, characters } = await pool.parse({ format: 'md', name: 'tides.md', bytes, owner: 'one' });
      assert.equal(characters, 'Tides\n\nHigh water at noon.'.length);
      assert.deepEqual(chunks, [
        { text: 'High water at noon.', headings: ['Tides'], page: null, startOffset: 7, endOffset: 26, tokens: 6 },
      ]);
    });

    it('brings back many chunks and large files whole', async () => {
      open({ memoryMb: 1024 });
      const line = 'The keeper wrote it down. ';
      const bytes = new TextEncoder().encode(line.repeat(200_000));
      const { chunks, characters } = await pool.parse({ format: 'txt', name: 'log.txt', bytes, owner: 'one' });
      assert.equal(characters, line.length * 200_000 - 1);
      assert.equal(chunks.at(-1)?.endOffset, characters);
      assert.ok(chunks.length > 3000);
    });

    it('says what is wrong with a file', async () => {
      open();
      const bytes = new TextEncoder().encode('{');
      await assert.rejects(pool.parse({ format: 'json', name: 'a.json', bytes, owner: 'one' }), {
        name: 'ProcessingError',
        code: 'CORRUPT_FILE',
        retryable: false,
      });
    });

    it('survives a document that needs too much memory, and reads the next', async () => {
      open({ memoryMb: 256, maxChunks: 1e9 });
      const bytes = new TextEncoder().encode('ab\n\n'.repeat(10_000_000));
      await assert.rejects(pool.parse({ format: 'txt', name: 'a.txt', bytes, owner: 'one' }), {
        code: 'TOO_LARGE_EXPANDED',
        retryable: false,
      });
      const next = await pool.parse({ format: 'txt', name: 'b.txt', bytes: bytes.slice(0, 2), owner: 'one' });
      assert.equal(next.chunks[0]?.text, 'ab');
    });
  });

  describe('with OCR', () => {
    const scan = drawText(['High water at noon.'], 'jpeg');
    const scanned = { jpeg: scan.image, width: scan.width, height: scan.height };

    it('reads pictures in a process of their own, and text in one that may load no native code', async () => {
      open({ ocr: true, memoryMb: 1024 });
      const parse = async (bytes: Uint8Array) => {
        const { chunks } = await pool.parse({ format: 'pdf', name: 'tides.pdf', bytes, owner: 'one' });
        return chunks.map(({ text }) => text).join(' ');
      };
      const loadNativeCode = () =>
        parserProcesses()
          .map(optionsOf)
          .map((options) => /--allow-addons/.test(options));
      assert.match(await parse(writePdf([[{ text: 'Low water at six.' }]])), /Low water at six/);
      assert.deepEqual(loadNativeCode(), [false]);
      assert.match(await parse(writePdf([scanned])), /High water at noon/);
      await until(async () => loadNativeCode().length === 1);
      assert.deepEqual(loadNativeCode(), [true]);
    });
  });

  describe('with a hostile one', () => {
    const openHostile = (options: Partial<ParsePoolOptions> = {}) => open({ modulePath: hostileChild, ...options });

    it('keeps a process warm', async () => {
      openHostile();
      assert.equal(await act('identity'), await act('identity'));
    });

    it('shows a process that has read for one owner no document of another', async () => {
      openHostile({ concurrency: 2 });
      const [one, other] = [await act('identity'), await act('identity', undefined, 'other')];
      assert.notEqual(one, other);
      assert.deepEqual([await act('identity'), await act('identity', undefined, 'other')], [one, other]);
      assert.ok(![one, other].includes(await act('identity', undefined, 'third')));
    });

    it('runs as many at a time as it may, each in a process of its own', async () => {
      openHostile({ concurrency: 2 });
      const identities = await Promise.all([act('identity'), act('identity'), act('identity'), act('identity')]);
      assert.equal(new Set(identities).size, 2);
    });

    it('ends one that waits without end, says so, and goes on in a fresh process', async () => {
      openHostile({ timeoutMs: 1000 });
      const before = await act('identity');
      const [pid = 0] = parserProcesses();
      await assert.rejects(act('wait without end'), {
        name: 'ProcessingError',
        code: 'PARSE_TIMEOUT',
        retryable: true,
      });
      assert.notEqual(await act('identity'), before);
      await until(async () => !isAlive(pid));
    });

    it('gives up one that computes without end, for good', async () => {
      openHostile({ cpuMs: 1000 });
      await assert.rejects(act('loop'), { name: 'ProcessingError', code: 'PARSE_TIMEOUT', retryable: false });
    });

    for (const [deed, code, retryable] of [
      ['eat buffers', 'TOO_LARGE_EXPANDED', false],
      ['eat heap', 'TOO_LARGE_EXPANDED', false],
      ['make chunks', 'TOO_LARGE_EXPANDED', false],
      ['tell more text than any document holds', 'TOO_LARGE_EXPANDED', false],
      ['exit', 'WORKER_CRASHED', true],
    ] as const) {
      it(`survives a parser that would ${deed}, and so do others`, async () => {
        openHostile({ concurrency: 2, memoryMb: 200, maxChunks: 299 });
        const [crashed, other] = await Promise.allSettled([act(deed), act('identity')]);
        assert.ok(crashed.status === 'rejected' && crashed.reason instanceof ProcessingError);
        assert.deepEqual([crashed.reason.code, crashed.reason.retryable], [code, retryable]);
        assert.equal(other.status, 'fulfilled');
        assert.ok(await act('identity'));
      });
    }

    for (const what of [
      'nonsense',
      'nothing',
      'what is no JSON',
      'what is no chunk',
      'that it begins once more',
      'that it has no chunks',
      'that others read pictures',
      'a reason of its own',
      'a place beyond all',
      'without end',
    ])
      it(`ends a parser that would answer ${what}`, async () => {
        openHostile();
        const first = await act('identity');
        await assert.rejects(act(`answer ${what}`), { code: 'WORKER_CRASHED', retryable: false });
        assert.notEqual(await act('identity'), first);
      });

    it('tries a document again in a fresh process when others have left it no room', async () => {
      openHostile({ memoryMb: 420 });
      const first = await act('keep 100 MB');
      assert.equal(await act('identity'), first, 'so much may stay');
      assert.notEqual(await act('keep 300 MB'), first);
    });

    it('carries errors over, causes by their kind alone', async () => {
      openHostile();
      await assert.rejects(act('refuse'), (error: ProcessingError) => {
        assert.deepEqual(
          [error.code, error.message, error.retryable],
          ['ENCRYPTED_FILE', 'The file is locked.', false],
        );
        assert.deepEqual(error.cause, new Error('RangeError'));
        return true;
      });
      await assert.rejects(act('stumble'), (error: ProcessingError) => {
        assert.deepEqual([error.code, error.retryable], ['WORKER_CRASHED', true]);
        assert.deepEqual(error.cause, new Error('TypeError'));
        return true;
      });
    });

    it('ends the process of a document that nobody waits for any more', async () => {
      openHostile();
      const before = await act('identity');
      const [pid = 0] = parserProcesses();
      const abort = new AbortController();
      const looping = act('loop', abort.signal);
      const waiting = act('identity');
      abort.abort(new Error('deleted'));
      await assert.rejects(looping, /deleted/);
      assert.notEqual(await waiting, before);
      await until(async () => !isAlive(pid));
    });

    it('forgets a document that is aborted while it waits', async () => {
      openHostile({ timeoutMs: 3000 });
      const looping = assert.rejects(act('wait without end'), { code: 'PARSE_TIMEOUT' });
      const abort = new AbortController();
      const waiting = act('pid', abort.signal);
      abort.abort(new Error('deleted'));
      await assert.rejects(waiting, /deleted/);
      await assert.rejects(act('pid', abort.signal), /deleted/);
      await looping;
      assert.ok(await act('identity'));
    });

    it('ends everything when it closes', async () => {
      openHostile();
      await act('identity');
      const [pid = 0] = parserProcesses();
      const both = [assert.rejects(act('loop'), /closed/), assert.rejects(act('identity'), /closed/)];
      await pool.close();
      await Promise.all(both);
      assert.ok(!isAlive(pid));
    });

    it('shows a parser no settings, no telemetry, and no files but the project’s', async () => {
      openHostile();
      process.env['RAGBASE_TEST_SECRET'] = 'secret';
      const surroundings = await act('surroundings');
      delete process.env['RAGBASE_TEST_SECRET'];
      assert.doesNotMatch(surroundings, /RAGBASE_TEST_SECRET|telemetry|NODE_OPTIONS/);
      await assert.rejects(act('read a file'), (error: ProcessingError) =>
        /ERR_ACCESS_DENIED/.test(String(error.cause)),
      );
    });

    it('leaves no process behind when its own is killed', async () => {
      openHostile();
      const owner = spawn(process.execPath, [fileURLToPath(new URL('./pool-owner.ts', import.meta.url))], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [printed] = (await once(owner.stdout, 'data')) as [Buffer];
      const pid = Number(printed.toString());
      await until(async () => ((await usageOf(pid))?.cpuMs ?? 0) > 1000);
      owner.kill('SIGKILL');
      await until(async () => !isAlive(pid));
    });

    it('tells a process that can’t even start from a document’s fault, in one line', async () => {
      open({ modulePath: new URL('./no-such-child.ts', import.meta.url) });
      await assert.rejects(act('identity'), (error: Error) => {
        assert.ok(error instanceof ParserStartError);
        assert.match(error.message, /^Error .*: Cannot find module '.*no-such-child\.ts'/);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  });
});

const optionsOf = (pid: number): string => execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });

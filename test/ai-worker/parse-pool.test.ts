import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openParsePool, type ParsePool, type ParsePoolOptions } from '../../src/ai-worker/parse-pool.ts';
import { ProcessingError } from '../../src/documents/job.ts';

const hostileChild = new URL('./hostile-child.ts', import.meta.url);

describe('the parse pool', () => {
  let pool: ParsePool;
  const open = (options: Partial<ParsePoolOptions> = {}): ParsePool => {
    pool = openParsePool({ concurrency: 1, timeoutMs: 60_000, memoryMb: 512, ocr: false, ...options });
    return pool;
  };
  /** Parses a document of a process that does what its name says. */
  const act = async (name: string, signal?: AbortSignal): Promise<string> => {
    const { chunks } = await pool.parse({ format: 'txt', name, bytes: new Uint8Array(), ...(signal && { signal }) });
    return chunks[0]?.text ?? '';
  };
  afterEach(() => pool.close());

  describe('with the real parsers', () => {
    it('parses and chunks', async () => {
      open();
      const bytes = new TextEncoder().encode('# Tides\n\nHigh water at noon.');
      const { chunks, characters } = await pool.parse({ format: 'md', name: 'tides.md', bytes });
      assert.equal(characters, 'Tides\n\nHigh water at noon.'.length);
      assert.deepEqual(chunks, [
        { text: 'High water at noon.', headings: ['Tides'], page: null, startOffset: 7, endOffset: 26, tokens: 6 },
      ]);
    });

    it('brings back many chunks and large files whole', async () => {
      open({ memoryMb: 1024 });
      const line = 'The keeper wrote it down. ';
      const bytes = new TextEncoder().encode(line.repeat(200_000));
      const { chunks, characters } = await pool.parse({ format: 'txt', name: 'log.txt', bytes });
      assert.equal(characters, line.length * 200_000 - 1);
      assert.equal(chunks.at(-1)?.endOffset, characters);
      assert.ok(chunks.length > 3000);
    });

    it('says what is wrong with a file', async () => {
      open();
      const bytes = new TextEncoder().encode('{');
      await assert.rejects(pool.parse({ format: 'json', name: 'a.json', bytes }), {
        name: 'ProcessingError',
        code: 'CORRUPT_FILE',
        retryable: false,
      });
    });

    it('survives a document that needs too much memory, and reads the next', async () => {
      open({ memoryMb: 256 });
      const bytes = new TextEncoder().encode('ab\n\n'.repeat(10_000_000));
      await assert.rejects(pool.parse({ format: 'txt', name: 'a.txt', bytes }), {
        code: 'WORKER_CRASHED',
        retryable: true,
      });
      const next = await pool.parse({ format: 'txt', name: 'b.txt', bytes: bytes.slice(0, 2) });
      assert.equal(next.chunks[0]?.text, 'ab');
    });
  });

  describe('with a hostile one', () => {
    const openHostile = (options: Partial<ParsePoolOptions> = {}) => open({ modulePath: hostileChild, ...options });

    it('keeps a process warm', async () => {
      openHostile();
      assert.equal(await act('pid'), await act('pid'));
    });

    it('runs as many at a time as it may, each in a process of its own', async () => {
      openHostile({ concurrency: 2 });
      const pids = await Promise.all([act('pid'), act('pid'), act('pid'), act('pid')]);
      assert.equal(new Set(pids).size, 2);
    });

    it('ends a loop, says so, and goes on in a fresh process', async () => {
      openHostile({ timeoutMs: 4000 });
      const before = await act('pid');
      await assert.rejects(act('loop'), { name: 'ProcessingError', code: 'PARSE_TIMEOUT', retryable: true });
      assert.notEqual(await act('pid'), before);
      await waitUntil(() => !isAlive(Number(before)));
    });

    for (const deed of ['eat buffers', 'eat heap', 'exit']) {
      it(`survives a parser that would ${deed}, and so do others`, async () => {
        openHostile({ concurrency: 2, memoryMb: 200 });
        const [crashed, other] = await Promise.allSettled([act(deed), act('pid')]);
        assert.ok(crashed.status === 'rejected' && crashed.reason instanceof ProcessingError);
        assert.deepEqual([crashed.reason.code, crashed.reason.retryable], ['WORKER_CRASHED', true]);
        assert.equal(other.status, 'fulfilled');
        assert.match(await act('pid'), /^\d+$/);
      });
    }

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
      const before = await act('pid');
      const abort = new AbortController();
      const looping = act('loop', abort.signal);
      const waiting = act('pid');
      abort.abort(new Error('deleted'));
      await assert.rejects(looping, /deleted/);
      assert.notEqual(await waiting, before);
      await waitUntil(() => !isAlive(Number(before)));
    });

    it('forgets a document that is aborted while it waits', async () => {
      openHostile({ timeoutMs: 4000 });
      const looping = assert.rejects(act('loop'), { code: 'PARSE_TIMEOUT' });
      const abort = new AbortController();
      const waiting = act('pid', abort.signal);
      abort.abort(new Error('deleted'));
      await assert.rejects(waiting, /deleted/);
      await assert.rejects(act('pid', abort.signal), /deleted/);
      await looping;
      assert.match(await act('pid'), /^\d+$/);
    });

    it('ends everything when it closes', async () => {
      openHostile();
      const pid = Number(await act('pid'));
      const both = [assert.rejects(act('loop'), /closed/), assert.rejects(act('pid'), /closed/)];
      await pool.close();
      await Promise.all(both);
      assert.ok(!isAlive(pid));
    });

    it('shows a parser no settings, no telemetry, and no files but the project’s', async () => {
      openHostile();
      process.env['RAGBASE_TEST_SECRET'] = 'secret';
      const surroundings = await act('surroundings');
      delete process.env['RAGBASE_TEST_SECRET'];
      assert.doesNotMatch(surroundings, /RAGBASE_TEST_SECRET|--import|NODE_OPTIONS/);
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
      assert.ok(isAlive(pid));
      owner.kill('SIGKILL');
      await waitUntil(() => !isAlive(pid));
    });

    it('names the cause when its process cannot even start', async () => {
      open({ modulePath: new URL('./no-such-child.ts', import.meta.url) });
      await assert.rejects(act('pid'), (error: ProcessingError) => {
        assert.equal(error.code, 'WORKER_CRASHED');
        assert.match(String(error.cause), /Cannot find module/);
        return true;
      });
    });
  });
});

/** False for a zombie too: who reaps orphans is the machine's business. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

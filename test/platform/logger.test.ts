import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogLine } from '../support/memory-logger.ts';

/** Runs a program that has a `logger`, and reads what it writes. */
async function linesOf(program: string, options: { format?: 'json' | 'pretty'; slowly?: true } = {}) {
  const setUp = `
    import { addLogFields, closeLogger, openLogger, withLogFields } from './src/platform/logger.ts';
    import { changeLevelOnSignal } from './src/platform/log-level.ts';
    import { logCrash, logWarnings } from './src/platform/log-crash.ts';
    const logger = openLogger({ service: 'test', version: '1.2.3', level: 'info', format: '${options.format ?? 'json'}' });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', setUp + program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const errors = text(child.stderr);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (options.slowly && lines.length % 2000 === 0) await delay(20);
  }
  const [status] = await exited;
  return { status, lines, errors: await errors };
}

const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as LogLine);

describe('logger', function () {
  this.timeout(30_000);

  it('writes JSON with time, level, service and the fields of line, context and child', async () => {
    const { lines } = await linesOf(`
      await withLogFields({ requestId: 'r1' }, async () => {
        await 0;
        addLogFields({ documentId: 'd1' });
        logger.child({ part: 'parser' }).warn('odd', { size: 3 });
      });
      logger.debug('too fine');
      logger.info('after');
      await closeLogger(logger);`);
    const [odd, after, ...more] = parsed(lines);
    assert.match(String(odd?.['timestamp']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(
      { ...odd, timestamp: '' },
      {
        timestamp: '',
        level: 'warn',
        message: 'odd',
        service: 'test',
        version: '1.2.3',
        requestId: 'r1',
        documentId: 'd1',
        part: 'parser',
        size: 3,
      },
    );
    assert.equal(after?.['requestId'], undefined);
    assert.deepEqual(more, []);
  });

  it('writes a line that has its time as it stands, without the fields of a context', async () => {
    const { lines } = await linesOf(`
      const line = { timestamp: '2026-01-01T00:00:00.000Z', level: 'info', message: 'request', status: 200 };
      withLogFields({ requestId: 'r1' }, () => logger.log(line));
      await closeLogger(logger);`);
    assert.deepEqual(parsed(lines), [
      {
        timestamp: '2026-01-01T00:00:00.000Z',
        level: 'info',
        message: 'request',
        status: 200,
        service: 'test',
        version: '1.2.3',
      },
    ]);
  });

  it('tells of an error by class, code and stack; never by words that may quote something', async () => {
    const { lines } = await linesOf(`
      const error = Object.assign(new TypeError('quoted text'), { code: 'E_ODD', detail: 'quoted text' });
      logger.error('failed', { error: new Error('quoted text', { cause: error }) });
      await closeLogger(logger);`);
    assert.doesNotMatch(lines.join(), /quoted/);
    const { error } = parsed(lines)[0] as unknown as { error: { type: string; stack: string; cause: object } };
    assert.equal(error.type, 'Error');
    assert.match(error.stack, /^ {4}at /);
    assert.deepEqual({ ...error.cause, stack: '' }, { type: 'TypeError', code: 'E_ODD', stack: '' });
  });

  it('is for a person to read, where asked', async () => {
    const { lines } = await linesOf(`logger.info('ready', { port: 3000 }); await closeLogger(logger);`, {
      format: 'pretty',
    });
    assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} .*info.* ready .*port=3000/);
  });

  for (const [how, end] of [
    ['is closed', 'await closeLogger(logger); process.exit(0);'],
    ['crashes', "logCrash(logger); setImmediate(() => { throw new Error('secret'); });"],
  ] as const) {
    it(`loses no line when it ${how}, however slow its reader`, async () => {
      const count = 20_000;
      const { lines, status } = await linesOf(
        `for (let n = 0; n < ${count}; n += 1) logger.info('line', { n, filler: 'x'.repeat(100) }); ${end}`,
        { slowly: true },
      );
      const written = parsed(lines);
      assert.deepEqual(
        written.filter((line) => line.message === 'line').map((line) => line['n']),
        Array.from({ length: count }, (_, n) => n),
      );
      assert.equal(status, how === 'crashes' ? 1 : 0);
      assert.equal(written.at(-1)?.message, how === 'crashes' ? 'crashed' : 'line');
      assert.doesNotMatch(lines.join(), /secret/);
    });
  }

  it('takes what Node warns of, which prints nothing beside it', async () => {
    const { lines, errors } = await linesOf(`
      logWarnings(logger);
      process.emitWarning('quoted text', { type: 'OddWarning', code: 'ODD' });
      await new Promise(setImmediate);
      await closeLogger(logger);`);
    const [{ level, error }] = parsed(lines) as unknown as [{ level: string; error: object }];
    assert.deepEqual([level, { ...error, stack: '' }], ['warn', { type: 'OddWarning', code: 'ODD', stack: '' }]);
    assert.equal(errors, '');
    assert.doesNotMatch(lines.join(), /quoted/);
  });

  it('tells more after SIGUSR2, and as much as before after another', async () => {
    const { lines } = await linesOf(`
      changeLevelOnSignal(logger);
      for (const expected of ['debug', 'info']) {
        process.kill(process.pid, 'SIGUSR2');
        while (logger.level !== expected) await new Promise(setImmediate);
        logger.debug('fine');
      }
      await closeLogger(logger);`);
    assert.deepEqual(
      parsed(lines).map((line) => [line.message, line['to']]),
      [
        ['log level changed', 'debug'],
        ['fine', undefined],
        ['log level changed', 'info'],
      ],
    );
  });
});

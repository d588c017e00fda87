import assert from 'node:assert/strict';
import { burstLog } from '../../src/platform/burst-log.ts';
import { memoryLogger } from '../support/memory-logger.ts';

describe('burstLog', () => {
  const failure = Object.assign(new Error('quotes a secret'), { code: 'ECONNREFUSED' });

  it('says once that something fails, and once that it works again', () => {
    const { logger, lines } = memoryLogger();
    const log = burstLog({ logger, subject: 'mail', fields: { host: 'a' }, quietMs: 0 });
    log.recovered();
    for (let count = 0; count < 1000; count += 1) log.failed(failure);
    log.recovered();
    log.recovered();
    const seconds = lines[1]?.['seconds'];
    assert.equal(typeof seconds, 'number');
    assert.deepEqual(lines, [
      { level: 'warn', message: 'mail fails', host: 'a', errorType: 'ECONNREFUSED' },
      { level: 'info', message: 'mail works again', host: 'a', failures: 1000, seconds },
    ]);
    log.failed(failure);
    assert.equal(lines.length, 3);
  });

  it('stays calm about trouble that comes and goes', () => {
    const { logger, lines } = memoryLogger();
    const log = burstLog({ logger, subject: 'mail', quietMs: 3_600_000 });
    for (let count = 0; count < 1000; count += 1) {
      log.failed(failure);
      log.recovered();
    }
    assert.equal(lines.length, 2);
  });
});

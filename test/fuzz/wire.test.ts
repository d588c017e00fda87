import assert from 'node:assert/strict';
import { type Service, startService } from '../support/service.ts';
import { fuzzWire } from './fuzz-wire.ts';

describe('requests on raw sockets', function suite() {
  this.timeout(300_000);
  let service: Service;
  before(async () => {
    service = await startService({ REQUEST_IDLE_TIMEOUT: '1s' });
  });
  after(() => service?.stop());

  it('end no process, leave nothing behind, and let nobody down', async () => {
    const { answers, faults } = await fuzzWire(service, { requests: 2_000, seed: 1 });
    assert.deepEqual(faults, []);
    // It reaches what it is about.
    for (const status of ['200', '202', '400', '404', '405', '408', '413', '415', '422', '431'])
      assert.ok((answers.get(status) ?? 0) > 0, `no answer was ${status}`);
  });
});

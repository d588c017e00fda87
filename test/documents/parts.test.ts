import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { deleteParts, readParts, storeParts, sweepParts } from '../../src/documents/parts.ts';
import type { DomainError } from '../../src/platform/errors.ts';
import { givenDocument } from '../support/documents.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';

describe('parts', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase({ dimensions: 4 });
  });
  after(() => database.close());
  const onHead = async () => undefined;

  for (const [what, sizes] of Object.entries({
    'pieces of any size': [1, 70_000, 1_500_000, 3, 2_100_000],
    'exactly two parts': [1024 * 1024, 1024 * 1024],
  })) {
    it(`gives back ${what} as they came`, async () => {
      const id = randomUUID();
      const pieces = sizes.map((size) => randomBytes(size));
      const stored = await storeParts(database.pool, id, Readable.from(pieces), { maxBytes: 1e9, onHead });
      const whole = Buffer.concat(pieces);
      assert.deepEqual(stored, { bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') });
      assert.ok(whole.equals(Buffer.concat(await Array.fromAsync(readParts(database.pool, id)))));
      await deleteParts(database.pool, id);
    });
  }

  it('stops at the limit', async () => {
    const source = Readable.from([Buffer.alloc(600_000), Buffer.alloc(600_000)]);
    await assert.rejects(
      storeParts(database.pool, randomUUID(), source, { maxBytes: 1_000_000, onHead }),
      (error: DomainError) => error.code === 'FILE_TOO_LARGE',
    );
  });

  it('sweeps what never became a document, and nothing else', async () => {
    const { id } = await givenDocument(database.pool);
    await storeParts(database.pool, randomUUID(), Readable.from([Buffer.from('orphan')]), { maxBytes: 10, onHead });
    const sweep = (everything: boolean) => sweepParts(database.pool, { everything });
    assert.equal(await sweep(true), 0);
    await database.pool.query(`UPDATE document_parts SET created_at = now() - interval '23 hours'`);
    assert.equal(await sweep(true), 0, 'it may be arriving still');
    await database.pool.query(`UPDATE document_parts SET created_at = now() - interval '26 hours'`);
    assert.equal(await sweep(false), 0, 'looked at before');
    assert.ok((await sweep(true)) >= 1);
    await storeParts(database.pool, randomUUID(), Readable.from([Buffer.from('orphan')]), { maxBytes: 10, onHead });
    await database.pool.query(`UPDATE document_parts SET created_at = now() - interval '24 hours 5 minutes'`);
    assert.equal(await sweep(false), 1);
    assert.equal((await Array.fromAsync(readParts(database.pool, id))).length, 1);
    assert.equal(await sweep(true), 0);
  });
});

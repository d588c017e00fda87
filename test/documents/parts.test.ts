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
      assert.ok(whole.equals(Buffer.concat(await Array.fromAsync(readParts(database.pool, id, whole.length)))));
      await deleteParts(database.pool, id);
    });
  }

  it('are read in pieces of 64 KB at most, and end with an error where they are deleted meanwhile', async () => {
    const id = randomUUID();
    const size = 1024 * 1024 + 300_000;
    await storeParts(database.pool, id, Readable.from([randomBytes(size)]), { maxBytes: 1e9, onHead });
    const pieces = readParts(database.pool, id, size);
    assert.equal(((await pieces.next()).value as Buffer).length, 64 * 1024);
    await deleteParts(database.pool, id);
    await assert.rejects(pieces.next(), { code: 'NOT_FOUND' });
  });

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
    const began = (ago: string) =>
      database.pool.query(`UPDATE document_parts SET created_at = now() - interval '${ago}'`);
    assert.equal(await sweep(true), 0, 'it may be arriving still');
    await began('27 hours');
    assert.equal(await sweep(false), 0, 'looked at before');
    assert.equal(await sweep(true), 1);
    await storeParts(database.pool, randomUUID(), Readable.from([Buffer.from('orphan')]), { maxBytes: 10, onHead });
    await began('3 hours');
    // The newest part of an upload that takes long, but moves.
    const slow = randomUUID();
    const bytes = Readable.from([Buffer.alloc(1024 * 1024 + 1)]);
    await storeParts(database.pool, slow, bytes, { maxBytes: 1e9, onHead });
    await database.pool.query(
      `UPDATE document_parts SET created_at = now() - interval '3 hours' WHERE document_id = $1 AND part = 0`,
      [slow],
    );
    assert.equal(await sweep(false), 1);
    assert.equal((await Array.fromAsync(readParts(database.pool, slow, 1024 * 1024 + 1))).length, 17);
    await deleteParts(database.pool, slow);
    assert.equal((await Array.fromAsync(readParts(database.pool, id, 1))).length, 1);
    assert.equal(await sweep(true), 0);
  });
});

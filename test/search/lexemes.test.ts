import assert from 'node:assert/strict';
import { INDEXED_LEXEMES, lexemesOf, quoteLexeme } from '../../src/search/lexemes.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-database.ts';

describe('lexemes', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase({ dimensions: 3 });
  });
  after(() => database.close());

  const lexemes = async (text: string): Promise<string[]> => {
    const { rows } = await database.pool.query(`SELECT tsvector_to_array(${lexemesOf('$1')}) AS lexemes`, [text]);
    return rows[0].lexemes.sort();
  };

  it('are stems, without stop words', async () => {
    assert.deepEqual(await lexemes('The tides are rising'), ['rise', 'tide']);
  });

  it('part words at hyphens and slashes', async () => {
    assert.deepEqual(await lexemes('boundary-layer lift/drag'), await lexemes('boundary layer lift drag'));
  });

  it('count each position into the length of a chunk', async () => {
    const sql = `SELECT i.length, array_length(tsvector_to_array(i.lexemes), 1) AS lexemes FROM (${INDEXED_LEXEMES('$1')}) AS i`;
    const { rows } = await database.pool.query(sql, ['the tide, a tide and another tide rise']);
    assert.deepEqual(rows[0], { length: 5, lexemes: 3 });
    assert.equal((await database.pool.query(sql, ['and the'])).rows[0].length, 0);
  });

  it('are quoted for a tsquery, whatever characters they hold', async () => {
    const ascii = Array.from({ length: 126 }, (_, index) => String.fromCharCode(index + 1));
    for (const character of [...ascii, 'é', '’', '語', '😀']) {
      const lexeme = `a${character}b`;
      const { rows } = await database.pool.query(`SELECT array_to_tsvector(ARRAY[$1]) @@ $2::tsquery AS found`, [
        lexeme,
        quoteLexeme(lexeme),
      ]);
      assert.equal(rows[0].found, true, JSON.stringify(lexeme));
    }
  });
});

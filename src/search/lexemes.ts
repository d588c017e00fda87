/** The text search configuration of everything that is indexed and asked: Porter stems, no stop words. */
export const TEXT_SEARCH_CONFIG = 'english';

/**
 * SQL for the lexemes of a text, as chunks are indexed and queries are read. Hyphens and slashes part
 * words here: Postgres would make "boundary-layer" three lexemes, and "lift/drag" the name of a file.
 * @param text an SQL expression.
 */
export const lexemesOf = (text: string): string =>
  `to_tsvector('${TEXT_SEARCH_CONFIG}', translate(${text}, '-/', '  '))`;

/**
 * SQL of a subquery of one row: the `lexemes` and the `length` that a chunk is stored with.
 * @param text an SQL expression: the chunk's `indexedText`.
 */
export const INDEXED_LEXEMES = (text: string): string =>
  `SELECT v AS lexemes, coalesce((SELECT sum(cardinality(u.positions)) FROM unnest(v) AS u), 0)::int AS length
   FROM ${lexemesOf(text)} AS v`;

/** A lexeme as it must stand in the text of a tsquery, whatever characters it holds. */
export const quoteLexeme = (lexeme: string): string => `'${lexeme.replace(/['\\]/g, '$&$&')}'`;

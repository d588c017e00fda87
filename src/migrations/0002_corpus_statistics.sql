-- What BM25 needs to know of the corpus: how many chunks a collection has, how long they are, and in
-- how many of them each lexeme stands. Writers only append deltas, so that no two of them ever wait
-- for one row; the deltas are folded into the totals in the background. Readers add up both.

CREATE TABLE corpus_totals (
  collection text PRIMARY KEY,
  chunks bigint NOT NULL,
  length bigint NOT NULL
);
CREATE TABLE corpus_deltas (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  collection text NOT NULL,
  chunks bigint NOT NULL,
  length bigint NOT NULL
);

CREATE TABLE lexeme_totals (
  lexeme text NOT NULL,
  collection text NOT NULL,
  chunks bigint NOT NULL,
  PRIMARY KEY (lexeme, collection)
);
CREATE TABLE lexeme_deltas (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lexeme text NOT NULL,
  collection text NOT NULL,
  chunks bigint NOT NULL
);
CREATE INDEX lexeme_deltas_lexeme ON lexeme_deltas (lexeme);

-- Searching reads the lexemes and vectors of many chunks. Up to this size a chunk stays in one piece;
-- otherwise each of its values would cost reads of its own.
ALTER TABLE chunks SET (toast_tuple_target = 8160);

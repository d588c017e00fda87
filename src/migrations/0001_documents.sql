-- What ragbase knows. Postgres is the truth; the queue is only the way to a worker.

CREATE EXTENSION IF NOT EXISTS vector;

-- The embedding model of every vector in `chunks`: one row, written when the database is first used.
CREATE TABLE embedding_space (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  model text NOT NULL,
  dimensions int NOT NULL CHECK (dimensions > 0)
);

CREATE TABLE documents (
  id uuid PRIMARY KEY,
  collection text NOT NULL,
  name text NOT NULL,
  format text NOT NULL,
  lane text NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  bytes bigint NOT NULL,
  sha256 text NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
  stage text,
  percent int NOT NULL DEFAULT 0,
  -- Attempts of the present run; a reprocess starts a new run. Counted before the work starts.
  attempts int NOT NULL DEFAULT 0,
  -- Attempts are numbered over all runs; this is the latest that was claimed.
  last_attempt int NOT NULL DEFAULT 0,
  -- The attempt whose chunks are searchable. Others are being written, or are about to be deleted.
  visible_attempt int,
  chunks int NOT NULL DEFAULT 0,
  -- Set while processing: the attempt is its worker's until then.
  lease_until timestamptz,
  -- Set while queued: not to be started before, and when it was last put on the queue.
  not_before timestamptz NOT NULL DEFAULT now(),
  enqueued_at timestamptz,
  error_code text,
  error_message text,
  -- W3C trace context of the upload, which every attempt joins.
  trace_context jsonb NOT NULL DEFAULT '{}',
  trace_id text,
  queued_ms double precision,
  parse_ms double precision,
  embed_ms double precision,
  store_ms double precision,
  total_ms double precision,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Start of the present run.
  queued_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  UNIQUE (collection, sha256)
);
CREATE INDEX documents_newest ON documents (created_at DESC, id DESC);
CREATE INDEX documents_open ON documents (status, not_before) WHERE status IN ('queued', 'processing');
CREATE INDEX documents_failed ON documents (updated_at DESC, id DESC) WHERE status = 'failed';
CREATE INDEX documents_metadata ON documents USING gin (metadata jsonb_path_ops);

-- The original bytes, in pieces that arrive while an upload streams, before its document exists:
-- so no foreign key. Pieces without a document are swept.
CREATE TABLE document_parts (
  document_id uuid NOT NULL,
  part int NOT NULL,
  bytes bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (document_id, part)
);
-- Compressed formats gain nothing from a second compression, and text little for its cost.
ALTER TABLE document_parts ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE attempts (
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  number int NOT NULL,
  worker text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  outcome text CHECK (outcome IN ('completed', 'failed', 'lost', 'abandoned')),
  error_code text,
  PRIMARY KEY (document_id, number)
);

-- The vector's width and the HNSW index come from the embedding model, when it is known.
CREATE TABLE chunks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
  attempt int NOT NULL,
  ordinal int NOT NULL,
  collection text NOT NULL,
  text text NOT NULL,
  headings text[] NOT NULL,
  page int,
  start_offset int NOT NULL,
  end_offset int NOT NULL,
  tokens int NOT NULL,
  lexemes tsvector NOT NULL,
  -- Lexeme positions: the document length of BM25.
  length int NOT NULL,
  embedding vector NOT NULL,
  UNIQUE (document_id, attempt, ordinal)
);
CREATE INDEX chunks_lexemes ON chunks USING gin (lexemes);
CREATE INDEX chunks_collection ON chunks (collection);

-- Whether an attempt counts towards the limit: not one that was handed back, whose surroundings failed, or whose
-- worker proved alive after it had been taken for lost. And how far it had come when its worker fell silent:
-- a document that kills its workers does so at the same place.
ALTER TABLE attempts ADD COLUMN counted boolean NOT NULL DEFAULT true;
ALTER TABLE attempts ADD COLUMN lost_percent int;

-- W3C trace context of what asked for the next attempt of a document: the report of a failure, or a request.
ALTER TABLE documents ADD COLUMN requested_by jsonb;

-- The first piece of each upload, by age: what never became a document is found without reading all pieces.
CREATE INDEX document_parts_first ON document_parts (created_at) WHERE part = 0;

-- Whose document it is: the fingerprint of the API key that sent it. Documents are worked on by turns over keys, and
-- over a key's collections, whoever came first; these are the heads of all lines, and when each was last served.
ALTER TABLE documents ADD COLUMN owner text NOT NULL DEFAULT '';
CREATE INDEX documents_waiting ON documents (lane, owner, collection, queued_at) WHERE status = 'queued';
-- Nothing else may answer for what is queued: with statistics of an empty queue, any other index is taken, and sorted whole.
DROP INDEX documents_open;
CREATE INDEX documents_processing ON documents (lane, owner, collection) WHERE status = 'processing';
CREATE TABLE turns (
  lane text NOT NULL,
  owner text NOT NULL,
  collection text NOT NULL,
  served_at timestamptz NOT NULL,
  PRIMARY KEY (lane, owner, collection)
);

-- What asked for the attempt: the id of a job. Asked again, it is answered the same.
ALTER TABLE attempts ADD COLUMN ticket text;
CREATE UNIQUE INDEX attempts_open ON attempts (worker, ticket) WHERE ended_at IS NULL;

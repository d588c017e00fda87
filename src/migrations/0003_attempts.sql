-- Whether an attempt counts towards the limit: not one that was handed back, whose surroundings failed, or whose
-- worker proved alive after it had been taken for lost. And how far it had come when its worker fell silent:
-- a document that kills its workers does so at the same place.
ALTER TABLE attempts ADD COLUMN counted boolean NOT NULL DEFAULT true;
ALTER TABLE attempts ADD COLUMN lost_percent int;

-- W3C trace context of what asked for the next attempt of a document: the report of a failure, or a request.
ALTER TABLE documents ADD COLUMN requested_by jsonb;

-- The first piece of each upload, by age: what never became a document is found without reading all pieces.
CREATE INDEX document_parts_first ON document_parts (created_at) WHERE part = 0;

-- phase: expand
-- Requests with an Idempotency-Key, stored with their rows: the same key again has the same answer, and adds nothing.
-- Rows older than a day are deleted, and count as absent until then.
CREATE TABLE ingest_request (
    org_id text NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL, -- of all that the answer follows from
    answer bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, key)
);
CREATE INDEX ingest_request_stored_at ON ingest_request (stored_at);

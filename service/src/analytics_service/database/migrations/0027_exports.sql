-- phase: expand
-- Exports of rows to files (docs/decisions/0047-exports.md). Files lie in a storage outside; a row says what its file
-- holds, and whether there may be one. Rows stay for a while when their files have ended.
CREATE TABLE export_job (
    id text PRIMARY KEY,
    org_id text NOT NULL,
    projects text[] NOT NULL, -- of who asked: empty is all of the organisation
    request jsonb NOT NULL, -- the parameters, with the range as instants
    range_start timestamptz NOT NULL,
    range_end timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    request_key text, -- Idempotency-Key; NULL once it may be used for another request
    request_digest bytea NOT NULL,
    attempt integer NOT NULL DEFAULT 0, -- its file has the attempt's number: what an attempt before wrote is not it
    not_before timestamptz NOT NULL DEFAULT now(), -- of the next attempt
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz, -- of the file
    rows_written bigint NOT NULL DEFAULT 0,
    progress real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    has_more boolean, -- whether the limit left rows out
    raw_since timestamptz, -- rows before it had ended with their retention; NULL: none of the range had
    file_bytes bigint,
    sha256 bytea CHECK (length(sha256) = 32),
    error text, -- for who asked
    may_have_file boolean NOT NULL DEFAULT false
);
CREATE INDEX export_job_listed ON export_job (org_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX export_job_request_key ON export_job (org_id, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX export_job_waiting ON export_job (created_at) WHERE status IN ('pending', 'processing');
CREATE INDEX export_job_with_file ON export_job (expires_at) WHERE may_have_file;

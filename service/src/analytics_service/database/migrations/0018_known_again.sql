-- phase: expand
-- Rows of one span become one (ingest/merge.py): `updated_at` is the version that their source gives them. `is_nested`
-- marks the call of a model that another span of its trace counts: it is no request (ingest/nested.py).
ALTER TABLE traces
    ADD COLUMN updated_at timestamptz,
    ADD COLUMN is_nested boolean NOT NULL DEFAULT false;

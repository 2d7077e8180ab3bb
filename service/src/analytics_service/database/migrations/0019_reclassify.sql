-- phase: expand
-- Which stored rows would count as requests by the rules of now, and what was changed of them (reclassify/).
CREATE TABLE reclassify_plan (
    hash text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('planned', 'applying', 'applied', 'undoing', 'undone')),
    changes jsonb NOT NULL, -- by organisation and month
    planned_at timestamptz NOT NULL DEFAULT now()
);

-- The traces that are left to be decided again, each in one transaction.
CREATE TABLE reclassify_trace (
    plan text NOT NULL REFERENCES reclassify_plan ON DELETE CASCADE,
    org_id text NOT NULL,
    trace_id text NOT NULL,
    first timestamptz NOT NULL,
    last timestamptz NOT NULL,
    PRIMARY KEY (plan, org_id, trace_id)
);

-- The rows that were changed, as they were and as they became.
CREATE TABLE reclassify_journal (
    plan text NOT NULL REFERENCES reclassify_plan ON DELETE CASCADE,
    org_id text NOT NULL,
    trace_id text NOT NULL,
    span_id text NOT NULL,
    ts timestamptz NOT NULL,
    is_request boolean NOT NULL,
    is_nested boolean NOT NULL,
    new_is_request boolean NOT NULL,
    new_is_nested boolean NOT NULL,
    PRIMARY KEY (plan, org_id, trace_id, span_id, ts)
);
-- They end with the rows, the oldest first.
CREATE INDEX reclassify_journal_ts ON reclassify_journal (ts);

-- phase: expand
-- Plans that delete the rows of a user, while they are applied (docs/decisions/0037-forget-a-user.md). Nothing in them
-- names the user, and they end with their last row.
CREATE TABLE forget_plan (
    org_id text NOT NULL,
    hash text NOT NULL,
    report jsonb NOT NULL, -- what the plan showed: numbers of rows, and sums by day
    rows_deleted bigint NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, hash)
);

-- The rows that are left to be deleted.
CREATE TABLE forget_row (
    org_id text NOT NULL,
    plan text NOT NULL,
    ts timestamptz NOT NULL,
    trace_id text NOT NULL,
    span_id text NOT NULL,
    PRIMARY KEY (org_id, plan, ts, trace_id, span_id),
    FOREIGN KEY (org_id, plan) REFERENCES forget_plan ON DELETE CASCADE
);

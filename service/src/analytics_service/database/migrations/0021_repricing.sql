-- phase: expand
-- What other prices would change of rows that are stored, and what they have changed (docs/decisions/0031-repricing.md).
CREATE TABLE reprice_plan (
    hash text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL CHECK (state IN ('planned', 'applying', 'applied', 'undoing', 'undone')),
    scope jsonb NOT NULL,
    books jsonb NOT NULL, -- with their texts: whoever applies the plan prices by what it was made of
    changes jsonb NOT NULL, -- by organisation, model and month
    planned_at timestamptz NOT NULL DEFAULT now(),
    began_at timestamptz, -- to be applied, or to be undone
    ended_at timestamptz
);
-- At most one changes rows at a time.
CREATE UNIQUE INDEX reprice_plan_active ON reprice_plan ((true)) WHERE state IN ('applying', 'undoing');

-- An hour of an organisation: it is changed in one transaction.
CREATE TABLE reprice_unit (
    plan text NOT NULL REFERENCES reprice_plan ON DELETE CASCADE,
    org_id text NOT NULL,
    hour timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('planned', 'applied', 'undone', 'expired')),
    rows bigint NOT NULL, -- that change, or have changed
    PRIMARY KEY (plan, org_id, hour)
);

-- The price of each row that a plan changed, before and after.
CREATE TABLE reprice_journal (
    plan text NOT NULL,
    org_id text NOT NULL,
    ts timestamptz NOT NULL,
    trace_id text NOT NULL,
    span_id text NOT NULL,
    old_prompt_cost_usd numeric,
    old_completion_cost_usd numeric,
    old_total_cost_usd numeric,
    old_price_version text,
    old_price_status text NOT NULL,
    new_prompt_cost_usd numeric,
    new_completion_cost_usd numeric,
    new_total_cost_usd numeric,
    new_price_version text,
    new_price_status text NOT NULL,
    PRIMARY KEY (plan, org_id, ts, trace_id, span_id)
);

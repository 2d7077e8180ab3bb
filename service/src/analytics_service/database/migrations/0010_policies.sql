-- phase: expand
-- What the store holds to, and what retention works by: written when a change of policy was applied, and by nothing else.
CREATE TABLE policy (
    name text PRIMARY KEY,
    value integer CHECK (value > 0), -- days, or hours of the chunk interval; NULL keeps for ever, or never compresses
    revision bigint NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now()
);

-- Makes the hash of a plan that of this database: what was approved for one is not approved for another.
ALTER TABLE schema_meta ADD COLUMN policy_seed uuid NOT NULL DEFAULT gen_random_uuid();

-- The floor moves with time; before `dropped_until` there were rows, and retention dropped them.
ALTER TABLE rollup_floor ADD COLUMN dropped_until timestamptz NOT NULL DEFAULT '-infinity';

-- Rows of a level before its floor are deleted in batches; before `deleted_until` that is done.
ALTER TABLE rollup_level ADD COLUMN deleted_until timestamptz NOT NULL DEFAULT '-infinity';

-- Partitions whose end was decided, until they are gone: to detach and to drop one are two transactions.
CREATE TABLE dropped_partition (
    name text PRIMARY KEY,
    lower_bound timestamptz,
    upper_bound timestamptz NOT NULL
);

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

-- A writer whose snapshot is older than the floor would not see that its row is refused. It fails, and may try again.
CREATE FUNCTION hold_floor() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM rollup_floor FOR SHARE;
    RETURN NULL;
END
$$;
CREATE TRIGGER traces_floor BEFORE INSERT OR UPDATE ON traces FOR EACH STATEMENT
    WHEN (current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted'))
    EXECUTE FUNCTION hold_floor();

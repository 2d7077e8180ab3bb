-- phase: expand
-- Rollups that cost as much at noon as in the morning (docs/decisions/0029-live-rollups.md). The log has one entry a
-- statement and minute; coarser buckets are rebuilt from finer ones; what is stale above the minutes is a row each, which
-- only workers write. The tables of before stay right for pods of the release before, until a contract migration.

-- What rollups sum, beside the columns that are there: they outlive raw, and could not be made again.
ALTER TABLE traces
    ADD COLUMN request_weight bigint NOT NULL DEFAULT 1, -- how many requests the row is the sum of
    ADD COLUMN service_tier text NOT NULL DEFAULT '',
    ADD COLUMN price_status text NOT NULL DEFAULT '',
    ADD COLUMN cache_write_5m_tokens bigint,
    ADD COLUMN cache_write_1h_tokens bigint,
    ADD COLUMN audio_input_tokens bigint,
    ADD COLUMN audio_output_tokens bigint,
    ADD COLUMN images bigint,
    ADD COLUMN web_searches bigint,
    ADD COLUMN audio_seconds numeric,
    ADD COLUMN billed_units numeric;

-- An entry of the log names the transaction whose rows it stands for: so they are added to their minutes
-- (docs/decisions/0032-rows-are-added.md). A transaction's number alone comes back in a database that was restored from a
-- dump; with the second it does not: 32 bits of seconds since 2020, then 32 bits of the number.
CREATE FUNCTION current_transaction_id() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT ((date_part('epoch', now())::bigint - 1577836800) << 32) | (pg_current_xact_id()::text::bigint & 4294967295)
$$;
-- The transaction that inserted the row; NULL for rows of before. In two steps, so that no row is written again.
ALTER TABLE traces ADD COLUMN transaction_id bigint;
ALTER TABLE traces ALTER COLUMN transaction_id SET DEFAULT current_transaction_id();

-- What the version owes to the log of before: pods of before see it grow with that log, and the keys of this release leave
-- it out, so that they move with writes only.
ALTER TABLE rollup_version ADD COLUMN legacy bigint NOT NULL DEFAULT 0;

-- Append-only, as the log of before (docs/decisions/0003-dirty-log.md). An entry that is not of requests changes lists
-- and versions, and no bucket.
CREATE TABLE rollup_log (
    org_id text NOT NULL,
    minute timestamptz NOT NULL,
    requests boolean NOT NULL,
    logged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id bigint, -- whose rows were inserted; NULL stands for any change
    rows bigint NOT NULL DEFAULT 1 -- that it stands for
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX rollup_log_by_minute ON rollup_log (org_id, minute);

-- A bucket that differs from the finer ones: of the rows of `dims`, or of all where it is NULL.
CREATE TABLE rollup_stale (
    org_id text NOT NULL,
    step text NOT NULL,
    bucket timestamptz NOT NULL,
    dims integer[],
    PRIMARY KEY (org_id, step, bucket)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000, autovacuum_vacuum_cost_delay = 0);

-- The combinations of dimensions that an organisation has: a row of a rollup names one by its number.
CREATE TABLE rollup_dimension (
    org_id text NOT NULL,
    dim integer GENERATED ALWAYS AS IDENTITY,
    project_id text NOT NULL,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    operation_type text NOT NULL,
    status_code text NOT NULL,
    service_tier text NOT NULL,
    price_status text NOT NULL,
    PRIMARY KEY (org_id, dim),
    UNIQUE (org_id, project_id, environment, provider, model, operation_type, status_code, service_tier, price_status)
) WITH (autovacuum_analyze_threshold = 5); -- else the few of a small store have no statistics

-- Sums are numeric: they neither overflow nor depend on the order of the rows. `_missing` counts the requests of which the
-- value is not known. What is zero is NULL, but for sums of measures: most requests have few kinds of usage, and know all
-- else.
CREATE TABLE rollup_totals_1min (
    org_id text NOT NULL,
    bucket timestamptz NOT NULL,
    dim integer NOT NULL,
    request_count bigint NOT NULL,
    prompt_tokens_sum numeric, prompt_tokens_missing bigint, prompt_tokens_min bigint, prompt_tokens_max bigint,
    completion_tokens_sum numeric, completion_tokens_missing bigint, completion_tokens_min bigint, completion_tokens_max bigint,
    total_tokens_sum numeric, total_tokens_missing bigint, total_tokens_min bigint, total_tokens_max bigint,
    prompt_cost_usd_sum numeric, prompt_cost_usd_missing bigint, prompt_cost_usd_min numeric, prompt_cost_usd_max numeric,
    completion_cost_usd_sum numeric, completion_cost_usd_missing bigint, completion_cost_usd_min numeric, completion_cost_usd_max numeric,
    total_cost_usd_sum numeric, total_cost_usd_missing bigint, total_cost_usd_min numeric, total_cost_usd_max numeric,
    duration_us_sum numeric, duration_us_missing bigint, duration_us_min bigint, duration_us_max bigint,
    ttft_us_sum numeric, ttft_us_missing bigint, ttft_us_min bigint, ttft_us_max bigint,
    cached_tokens_sum numeric,
    cache_write_5m_tokens_sum numeric,
    cache_write_1h_tokens_sum numeric,
    reasoning_tokens_sum numeric,
    audio_input_tokens_sum numeric,
    audio_output_tokens_sum numeric,
    images_sum numeric,
    web_searches_sum numeric,
    audio_seconds_sum numeric,
    billed_units_sum numeric,
    PRIMARY KEY (org_id, bucket, dim)
);
CREATE TABLE rollup_totals_15min (LIKE rollup_totals_1min INCLUDING ALL);
CREATE TABLE rollup_totals_1hour (LIKE rollup_totals_1min INCLUDING ALL);
CREATE TABLE rollup_totals_1day (LIKE rollup_totals_1min INCLUDING ALL);

-- Histograms: the numbers of requests in each bin; what a code is: rollups/sketches.py.
CREATE TABLE rollup_latency_1min (
    org_id text NOT NULL,
    bucket timestamptz NOT NULL,
    dim integer NOT NULL,
    codes smallint[] NOT NULL,
    counts bigint[] NOT NULL,
    PRIMARY KEY (org_id, bucket, dim)
);
CREATE TABLE rollup_latency_15min (LIKE rollup_latency_1min INCLUDING ALL);
CREATE TABLE rollup_latency_1hour (LIKE rollup_latency_1min INCLUDING ALL);
CREATE TABLE rollup_latency_6hour (LIKE rollup_latency_1min INCLUDING ALL);
CREATE TABLE rollup_latency_1day (LIKE rollup_latency_1min INCLUDING ALL);

-- Registers of users; what a code is: rollups/sketches.py.
CREATE TABLE rollup_users_1hour (
    org_id text NOT NULL,
    bucket timestamptz NOT NULL,
    dim integer NOT NULL,
    codes integer[] NOT NULL,
    PRIMARY KEY (org_id, bucket, dim)
);
CREATE TABLE rollup_users_6hour (LIKE rollup_users_1hour INCLUDING ALL);

-- The requests of a quarter of an hour by dimensions, user, team and tags together, as arrays of one length: what the
-- days by user, team and tag are the sums of, at every moment.
CREATE TABLE rollup_part (
    org_id text NOT NULL,
    bucket timestamptz NOT NULL,
    dims integer[] NOT NULL,
    users text[],
    teams text[],
    tags text[], -- each the text of an array
    request_count bigint[] NOT NULL,
    prompt_tokens_sum numeric[], prompt_tokens_missing bigint[],
    completion_tokens_sum numeric[], completion_tokens_missing bigint[],
    total_tokens_sum numeric[], total_tokens_missing bigint[],
    prompt_cost_usd_sum numeric[], prompt_cost_usd_missing bigint[],
    completion_cost_usd_sum numeric[], completion_cost_usd_missing bigint[],
    total_cost_usd_sum numeric[], total_cost_usd_missing bigint[],
    duration_us_sum numeric[], duration_us_missing bigint[],
    ttft_us_sum numeric[], ttft_us_missing bigint[],
    cached_tokens_sum numeric[],
    cache_write_5m_tokens_sum numeric[],
    cache_write_1h_tokens_sum numeric[],
    reasoning_tokens_sum numeric[],
    audio_input_tokens_sum numeric[],
    audio_output_tokens_sum numeric[],
    images_sum numeric[],
    web_searches_sum numeric[],
    audio_seconds_sum numeric[],
    billed_units_sum numeric[],
    PRIMARY KEY (org_id, bucket)
);

-- Exact totals of a UTC day, so far. NULL is what requests without a user, a team or a tag belong to.
CREATE TABLE rollup_user_1day (
    bucket timestamptz NOT NULL, -- what is aligned comes first: a row of 120 bytes is 4 to 11 shorter
    request_count bigint NOT NULL,
    dim integer NOT NULL,
    org_id text NOT NULL,
    user_id text,
    prompt_tokens_sum numeric, prompt_tokens_missing bigint,
    completion_tokens_sum numeric, completion_tokens_missing bigint,
    total_tokens_sum numeric, total_tokens_missing bigint,
    prompt_cost_usd_sum numeric, prompt_cost_usd_missing bigint,
    completion_cost_usd_sum numeric, completion_cost_usd_missing bigint,
    total_cost_usd_sum numeric, total_cost_usd_missing bigint,
    duration_us_sum numeric, duration_us_missing bigint,
    ttft_us_sum numeric, ttft_us_missing bigint,
    cached_tokens_sum numeric,
    cache_write_5m_tokens_sum numeric,
    cache_write_1h_tokens_sum numeric,
    reasoning_tokens_sum numeric,
    audio_input_tokens_sum numeric,
    audio_output_tokens_sum numeric,
    images_sum numeric,
    web_searches_sum numeric,
    audio_seconds_sum numeric,
    billed_units_sum numeric,
    UNIQUE NULLS NOT DISTINCT (org_id, bucket, user_id, dim)
) WITH (fillfactor = 80);
CREATE TABLE rollup_team_1day (LIKE rollup_user_1day INCLUDING ALL);
ALTER TABLE rollup_team_1day RENAME COLUMN user_id TO team_id;
CREATE TABLE rollup_tag_1day (LIKE rollup_user_1day INCLUDING ALL);
ALTER TABLE rollup_tag_1day RENAME COLUMN user_id TO tag;

-- Before its floor the rows of a table are gone, or about to be deleted; before `deleted_until` that is done.
CREATE TABLE rollup_horizon (
    name text PRIMARY KEY,
    floor timestamptz NOT NULL DEFAULT '-infinity',
    deleted_until timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT floor_is_a_utc_midnight CHECK (
        NOT isfinite(floor) OR floor = date_bin('1 day', floor, '1970-01-01T00:00:00Z'::timestamptz)
    )
);
INSERT INTO rollup_horizon (name) VALUES
    ('totals_1min'), ('totals_15min'), ('totals_1hour'), ('totals_1day'),
    ('latency_1min'), ('latency_15min'), ('latency_1hour'), ('latency_6hour'), ('latency_1day'),
    ('users_1hour'), ('users_6hour'), ('part'), ('user_1day'), ('team_1day'), ('tag_1day');

-- Days of an organisation that were converted from the rollups of before (rollups/conversion): those from `done_from` on.
-- Whoever comes later has nothing to convert: the new log has all that it wrote.
CREATE TABLE rollup_conversion (
    org_id text PRIMARY KEY,
    done_from timestamptz NOT NULL DEFAULT 'infinity'
);
INSERT INTO rollup_conversion (org_id) SELECT org_id FROM rollup_version UNION SELECT org_id FROM rollup_dirty;

-- Days whose rows by user, team and tag were converted: without parts nothing shows what a change adds to them. The first
-- change takes the day's rows and its mark away, and makes all of its parts stale.
CREATE TABLE rollup_unparted (
    org_id text NOT NULL,
    day timestamptz NOT NULL,
    PRIMARY KEY (org_id, day)
);

-- The rollups of before have neither histograms of minutes nor sums of usage. A day that began is made of raw again.
INSERT INTO rollup_horizon (name) VALUES ('usage');
UPDATE rollup_horizon SET floor = date_bin('1 day', now(), '1970-01-01T00:00:00Z'::timestamptz)
WHERE name IN ('latency_1min', 'latency_15min', 'usage') AND EXISTS (SELECT FROM rollup_conversion);

CREATE OR REPLACE FUNCTION append_dirty_buckets() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    epoch CONSTANT timestamptz := '1970-01-01T00:00:00Z';
    lowest timestamptz := (SELECT floor FROM rollup_floor);
    own CONSTANT bigint := CASE WHEN TG_OP = 'INSERT' THEN current_transaction_id() END;
    organisations text[];
    minutes timestamptz[];
    of_requests boolean[];
    transactions bigint[];
    counts bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN -- a row may bring its number from elsewhere, as those of a dump: then an entry cannot name it
        SELECT array_agg(org_id), array_agg(minute), array_agg(requests), array_agg(rows),
            array_agg(CASE WHEN named THEN own END)
        INTO organisations, minutes, of_requests, counts, transactions
        FROM (
            SELECT org_id, date_bin('1 minute', ts, epoch) AS minute, bool_or(is_request) AS requests, count(*) AS rows,
                bool_and(transaction_id IS NOT DISTINCT FROM own) AS named
            FROM new_rows GROUP BY 1, 2
        ) AS touched;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(org_id), array_agg(minute), array_agg(requests), array_agg(rows)
        INTO organisations, minutes, of_requests, counts
        FROM (
            SELECT org_id, date_bin('1 minute', ts, epoch) AS minute, bool_or(is_request) AS requests, count(*) AS rows
            FROM old_rows GROUP BY 1, 2
        ) AS touched;
    ELSE
        SELECT array_agg(org_id), array_agg(minute), array_agg(requests), array_agg(rows)
        INTO organisations, minutes, of_requests, counts
        FROM (
            SELECT org_id, minute, bool_or(is_request) AS requests, count(*) AS rows
            FROM (
                SELECT org_id, date_bin('1 minute', ts, epoch) AS minute, is_request FROM old_rows
                UNION ALL
                SELECT org_id, date_bin('1 minute', ts, epoch), is_request FROM new_rows
            ) AS changed
            GROUP BY 1, 2
        ) AS touched;
    END IF;
    IF TG_OP <> 'DELETE' AND EXISTS (SELECT FROM unnest(minutes) AS minute WHERE minute < lowest) THEN
        RAISE EXCEPTION 'a row is older than %, where raw rows are no longer kept', lowest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'traces_not_before_floor';
    END IF;
    INSERT INTO rollup_log (org_id, minute, requests, transaction_id, rows)
    SELECT touched.org_id, touched.minute, touched.requests, touched.transaction_id, touched.rows
    FROM unnest(organisations, minutes, of_requests, transactions, counts)
        AS touched (org_id, minute, requests, transaction_id, rows)
    WHERE touched.minute >= lowest;
    INSERT INTO rollup_dirty (level, org_id, bucket_start)
    SELECT DISTINCT l.level, touched.org_id, date_bin(l.step, touched.minute, epoch)
    FROM unnest(organisations, minutes) AS touched (org_id, minute) CROSS JOIN rollup_level AS l
    WHERE touched.minute >= lowest;
    RETURN NULL;
END
$$;

-- Partitions and hypertables that are truncated.
CREATE OR REPLACE FUNCTION append_dirty_buckets_of_table() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format(
        $insert$
        INSERT INTO rollup_log (org_id, minute, requests)
        SELECT t.org_id, date_bin('1 minute', t.ts, '1970-01-01T00:00:00Z'::timestamptz), bool_or(t.is_request)
        FROM %s AS t
        WHERE t.ts >= (SELECT floor FROM rollup_floor)
        GROUP BY 1, 2
        $insert$,
        TG_RELID::regclass
    );
    EXECUTE format(
        $insert$
        INSERT INTO rollup_dirty (level, org_id, bucket_start)
        SELECT DISTINCT l.level, t.org_id, date_bin(l.step, t.ts, '1970-01-01T00:00:00Z'::timestamptz)
        FROM %s AS t CROSS JOIN rollup_level AS l
        WHERE t.ts >= (SELECT floor FROM rollup_floor)
        $insert$,
        TG_RELID::regclass
    );
    RETURN NULL;
END
$$;

-- A worker of the release before knows nothing of the new log: it must not end raw rows that the new rollups wait for. To
-- it somebody holds a lock, which it tries again. Where others have dropped the rows, both columns move, and nothing waits.
CREATE FUNCTION refuse_horizon_before_refresh() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM rollup_log WHERE requests AND minute >= OLD.floor AND minute < NEW.floor)
        OR EXISTS (SELECT FROM rollup_stale WHERE bucket >= OLD.floor AND bucket < NEW.floor)
    THEN
        RAISE EXCEPTION 'rollups wait for rows before %', NEW.floor USING ERRCODE = 'lock_not_available';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_horizon_before_refresh BEFORE UPDATE OF floor ON rollup_floor
    FOR EACH ROW WHEN (NEW.floor > OLD.floor AND NEW.dropped_until = OLD.dropped_until)
    EXECUTE FUNCTION refuse_horizon_before_refresh();

-- phase: expand
-- The levels are rows: writers' triggers name none of them, and each has a floor of its own, below which its rows are
-- gone. A bucket below it is read from raw, as long as that is kept.
CREATE TABLE rollup_level (
    level text PRIMARY KEY,
    step interval NOT NULL,
    floor timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT floor_is_a_utc_midnight CHECK (
        NOT isfinite(floor) OR floor = date_bin('1 day', floor, '1970-01-01T00:00:00Z'::timestamptz)
    )
);
INSERT INTO rollup_level (level, step) VALUES
    ('1min', '1 minute'), ('15min', '15 minutes'), ('1hour', '1 hour'), ('1day', '1 day'),
    ('1hour_latency', '1 hour'), ('1hour_users', '1 hour'),
    ('1day_user', '1 day'), ('1day_team', '1 day'), ('1day_tag', '1 day');

-- Sketches are rows, which merge by SUM and MAX; what bins, registers and ranks are: database/sketches.py.
CREATE TABLE rollup_1hour_latency (
    bucket timestamptz NOT NULL,
    org_id text NOT NULL,
    project_id text NOT NULL,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    operation_type text NOT NULL,
    status_code text NOT NULL,
    measure text NOT NULL CHECK (measure IN ('duration_us', 'ttft_us')),
    bin smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (org_id, bucket, measure, bin, project_id, environment, provider, model, operation_type, status_code)
);
CREATE TABLE rollup_1hour_users (
    bucket timestamptz NOT NULL,
    org_id text NOT NULL,
    project_id text NOT NULL,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    operation_type text NOT NULL,
    status_code text NOT NULL,
    reg smallint NOT NULL CHECK (reg BETWEEN 0 AND 4095),
    rank smallint NOT NULL,
    PRIMARY KEY (org_id, bucket, reg, project_id, environment, provider, model, operation_type, status_code)
);

-- Exact totals of a UTC day. NULL is what requests without a user, a team or a tag belong to.
CREATE TABLE rollup_1day_user (LIKE rollup_1day, user_id text);
CREATE TABLE rollup_1day_team (LIKE rollup_1day, team_id text);
CREATE TABLE rollup_1day_tag (LIKE rollup_1day, tag text);
ALTER TABLE rollup_1day_user ADD UNIQUE NULLS NOT DISTINCT
    (org_id, bucket, user_id, project_id, environment, provider, model, operation_type, status_code);
ALTER TABLE rollup_1day_team ADD UNIQUE NULLS NOT DISTINCT
    (org_id, bucket, team_id, project_id, environment, provider, model, operation_type, status_code);
ALTER TABLE rollup_1day_tag ADD UNIQUE NULLS NOT DISTINCT
    (org_id, bucket, tag, project_id, environment, provider, model, operation_type, status_code);

CREATE VIEW traces_1hour_latency AS SELECT * FROM rollup_1hour_latency;
CREATE VIEW traces_1hour_users AS SELECT * FROM rollup_1hour_users;
CREATE VIEW traces_1day_user AS SELECT * FROM rollup_1day_user;
CREATE VIEW traces_1day_team AS SELECT * FROM rollup_1day_team;
CREATE VIEW traces_1day_tag AS SELECT * FROM rollup_1day_tag;

-- No writer may be under way: one that began before would append the levels of before only.
LOCK TABLE traces IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE FUNCTION append_dirty_buckets() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    epoch CONSTANT timestamptz := '1970-01-01T00:00:00Z';
    lowest timestamptz := (SELECT floor FROM rollup_floor);
    organisations text[];
    minutes timestamptz[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(org_id), array_agg(minute) INTO organisations, minutes
        FROM (SELECT DISTINCT org_id, date_bin('1 minute', ts, epoch) AS minute FROM new_rows) AS touched;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(org_id), array_agg(minute) INTO organisations, minutes
        FROM (SELECT DISTINCT org_id, date_bin('1 minute', ts, epoch) AS minute FROM old_rows) AS touched;
    ELSE
        SELECT array_agg(org_id), array_agg(minute) INTO organisations, minutes
        FROM (
            SELECT org_id, date_bin('1 minute', ts, epoch) AS minute FROM old_rows
            UNION
            SELECT org_id, date_bin('1 minute', ts, epoch) FROM new_rows
        ) AS touched;
    END IF;
    IF TG_OP <> 'DELETE' AND EXISTS (SELECT FROM unnest(minutes) AS minute WHERE minute < lowest) THEN
        RAISE EXCEPTION 'a row is older than %, where raw rows are no longer kept', lowest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'traces_not_before_floor';
    END IF;
    INSERT INTO rollup_dirty (level, org_id, bucket_start)
    SELECT DISTINCT l.level, touched.org_id, date_bin(l.step, touched.minute, epoch)
    FROM unnest(organisations, minutes) AS touched (org_id, minute) CROSS JOIN rollup_level AS l
    WHERE touched.minute >= lowest;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION append_dirty_buckets_of_table() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
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

-- What is there already is dirty at the new levels, and read from raw until it was refreshed.
INSERT INTO rollup_dirty (level, org_id, bucket_start)
SELECT l.level, known.org_id, known.bucket
FROM rollup_level AS l
JOIN LATERAL (
    SELECT org_id, bucket FROM rollup_1hour WHERE l.step = '1 hour'
    UNION SELECT org_id, bucket FROM rollup_1day WHERE l.step = '1 day'
    UNION SELECT org_id, bucket_start FROM rollup_dirty WHERE level = '1hour' AND l.step = '1 hour'
    UNION SELECT org_id, bucket_start FROM rollup_dirty WHERE level = '1day' AND l.step = '1 day'
) AS known ON true
WHERE l.level LIKE '%\_%' AND known.bucket >= (SELECT floor FROM rollup_floor);

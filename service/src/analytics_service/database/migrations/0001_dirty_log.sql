-- phase: expand
-- What keeps rollups equal to raw. Append-only and without a unique key: with one, writers would wait for each other,
-- and a row in flight while its bucket is refreshed would be lost.
CREATE TABLE rollup_dirty (
    level text NOT NULL,
    org_id text NOT NULL,
    bucket_start timestamptz NOT NULL
);
CREATE INDEX rollup_dirty_by_bucket ON rollup_dirty (org_id, level, bucket_start);

-- Grows whenever a refresh takes entries out of the log: with the entries that are left it tells cached answers apart.
CREATE TABLE rollup_version (
    org_id text NOT NULL,
    day timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (org_id, day)
);

-- Raw rows before the floor are gone: no bucket before it is ever computed again.
CREATE TABLE rollup_floor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    floor timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT floor_is_a_utc_midnight CHECK (
        NOT isfinite(floor) OR floor = date_bin('1 day', floor, '1970-01-01T00:00:00Z'::timestamptz)
    )
);
INSERT INTO rollup_floor DEFAULT VALUES;

-- Runs after every statement on traces, so that no writer can forget the log.
CREATE FUNCTION append_dirty_buckets() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
    SELECT DISTINCT levels.level, touched.org_id, date_bin(levels.step, touched.minute, epoch)
    FROM unnest(organisations, minutes) AS touched (org_id, minute)
    CROSS JOIN (VALUES
        ('1min', interval '1 minute'), ('15min', interval '15 minutes'),
        ('1hour', interval '1 hour'), ('1day', interval '1 day')
    ) AS levels (level, step)
    WHERE touched.minute >= lowest;
    RETURN NULL;
END
$$;

-- phase: expand
-- requires: postgres
-- Triggers of a table see statements that name it, and no others: partitions that are named themselves need their own.
CREATE FUNCTION append_dirty_buckets_of_table() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format(
        $insert$
        INSERT INTO rollup_dirty (level, org_id, bucket_start)
        SELECT DISTINCT levels.level, t.org_id, date_bin(levels.step, t.ts, '1970-01-01T00:00:00Z'::timestamptz)
        FROM %s AS t CROSS JOIN (VALUES
            ('1min', interval '1 minute'), ('15min', interval '15 minutes'),
            ('1hour', interval '1 hour'), ('1day', interval '1 day')
        ) AS levels (level, step)
        WHERE t.ts >= (SELECT floor FROM rollup_floor)
        $insert$,
        TG_RELID::regclass
    );
    RETURN NULL;
END
$$;

CREATE FUNCTION watch_partition(name text) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER inserted AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows '
        'FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets()', name
    );
    EXECUTE format(
        'CREATE TRIGGER updated AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows '
        'FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets()', name
    );
    EXECUTE format(
        'CREATE TRIGGER deleted AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows '
        'FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets()', name
    );
    EXECUTE format(
        'CREATE TRIGGER truncated BEFORE TRUNCATE ON %I '
        'FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets_of_table()', name
    );
END
$$;
SELECT watch_partition(name) FROM traces_partitions;

-- As before, but the bounds are read once: each look at them costs as much as there are partitions.
CREATE OR REPLACE FUNCTION ensure_partitions(first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    epoch CONSTANT timestamptz := '1970-01-01T00:00:00Z';
    most CONSTANT integer := 400;
    step interval := (SELECT make_interval(hours => chunk_hours) FROM schema_meta);
    lows timestamptz[];
    highs timestamptz[];
    made integer := 0;
    from_ts timestamptz;
    to_ts timestamptz;
    at timestamptz := date_bin(step, first, epoch);
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('analytics.ensure_partitions', 0));
    SELECT coalesce(array_agg(lower_bound), '{}'), coalesce(array_agg(upper_bound), '{}') INTO lows, highs
    FROM traces_partitions WHERE upper_bound > at;
    WHILE at <= last LOOP
        SELECT max(high) INTO to_ts FROM unnest(lows, highs) AS p (low, high) WHERE low <= at AND high > at;
        IF to_ts IS NOT NULL THEN
            at := to_ts;
            CONTINUE;
        END IF;
        IF made = most THEN
            RAISE EXCEPTION 'more than % partitions would be made between % and %', most, first, last
                USING ERRCODE = 'program_limit_exceeded';
        END IF;
        -- After a change of the chunk's hours an older, longer or shorter, partition may begin or end inside this step.
        SELECT greatest(date_bin(step, at, epoch), max(high)) INTO from_ts
        FROM unnest(lows, highs) AS p (low, high) WHERE high <= at;
        SELECT least(date_bin(step, at, epoch) + step, min(low)) INTO to_ts
        FROM unnest(lows, highs) AS p (low, high) WHERE low > at;
        name := 'traces_p' || to_char(from_ts AT TIME ZONE 'UTC', 'YYYYMMDDHH24');
        EXECUTE format('CREATE TABLE %I (LIKE traces INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        PERFORM watch_partition(name);
        EXECUTE format('ALTER TABLE traces ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, from_ts, to_ts);
        lows := lows || from_ts;
        highs := highs || to_ts;
        made := made + 1;
        at := to_ts;
    END LOOP;
    RETURN made;
END
$$;

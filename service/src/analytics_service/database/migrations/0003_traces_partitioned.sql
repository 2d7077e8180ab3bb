-- phase: expand
-- requires: postgres
ALTER TABLE traces RENAME TO traces_plain;
CREATE TABLE traces (
    LIKE traces_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (org_id, trace_id, span_id, ts)
) PARTITION BY RANGE (ts);
DROP TABLE traces_plain;

-- Makes what is missing between two moments, both included, and says how many partitions it made. There is no default
-- partition: it would have to be scanned for each new one, and would forbid to detach one while others write.
-- ATTACH, where CREATE .. PARTITION OF would lock out every reader.
CREATE FUNCTION ensure_partitions(first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    epoch CONSTANT timestamptz := '1970-01-01T00:00:00Z';
    most CONSTANT integer := 400;
    step interval := (SELECT make_interval(hours => chunk_hours) FROM schema_meta);
    made integer := 0;
    from_ts timestamptz;
    to_ts timestamptz;
    at timestamptz := date_bin(step, first, epoch);
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('analytics.ensure_partitions', 0));
    WHILE at <= last LOOP
        SELECT max(upper_bound) INTO to_ts FROM traces_partitions WHERE lower_bound <= at AND upper_bound > at;
        IF to_ts IS NOT NULL THEN
            at := to_ts;
            CONTINUE;
        END IF;
        IF made = most THEN
            RAISE EXCEPTION 'more than % partitions would be made between % and %', most, first, last
                USING ERRCODE = 'program_limit_exceeded';
        END IF;
        -- After a change of the chunk's hours an older, longer or shorter, partition may begin or end inside this step.
        SELECT greatest(at, max(upper_bound)) INTO from_ts FROM traces_partitions
        WHERE upper_bound > date_bin(step, at, epoch) AND upper_bound <= at;
        from_ts := coalesce(from_ts, date_bin(step, at, epoch));
        SELECT least(date_bin(step, at, epoch) + step, min(lower_bound)) INTO to_ts FROM traces_partitions
        WHERE lower_bound > at;
        name := 'traces_p' || to_char(from_ts AT TIME ZONE 'UTC', 'YYYYMMDDHH24');
        EXECUTE format('CREATE TABLE %I (LIKE traces INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        EXECUTE format('ALTER TABLE traces ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, from_ts, to_ts);
        made := made + 1;
        at := to_ts;
    END LOOP;
    RETURN made;
END
$$;

CREATE VIEW traces_partitions AS
SELECT child.relname::text AS name,
    (regexp_match(bounds.text, 'FROM \(''([^'']+)''\)'))[1]::timestamptz AS lower_bound,
    (regexp_match(bounds.text, 'TO \(''([^'']+)''\)'))[1]::timestamptz AS upper_bound
FROM pg_inherits
JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
CROSS JOIN LATERAL (SELECT pg_get_expr(child.relpartbound, child.oid) AS text) AS bounds
WHERE pg_inherits.inhparent = 'traces'::regclass AND NOT pg_inherits.inhdetachpending;

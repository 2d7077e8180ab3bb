-- phase: expand
-- requires: apache, tsl
-- No writer may be under way: one that began before would append to the log of before only.
LOCK TABLE traces IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE FUNCTION append_dirty_buckets_of_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.ts < (SELECT floor FROM rollup_floor) THEN
        RETURN NULL;
    END IF;
    INSERT INTO rollup_log (org_id, minute, requests)
    VALUES (OLD.org_id, date_bin('1 minute', OLD.ts, '1970-01-01T00:00:00Z'::timestamptz), OLD.is_request);
    INSERT INTO rollup_dirty (level, org_id, bucket_start)
    SELECT l.level, OLD.org_id, date_bin(l.step, OLD.ts, '1970-01-01T00:00:00Z'::timestamptz) FROM rollup_level AS l;
    RETURN NULL;
END
$$;

-- phase: expand
-- requires: apache, tsl
-- A columnstore takes no DELETE trigger with a transition table, and so no chunk could ever be compressed. Triggers of
-- rows are on the chunks too: a DELETE that names a chunk is seen.
CREATE FUNCTION append_dirty_buckets_of_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO rollup_dirty (level, org_id, bucket_start)
    SELECT l.level, OLD.org_id, date_bin(l.step, OLD.ts, '1970-01-01T00:00:00Z'::timestamptz)
    FROM rollup_level AS l
    WHERE OLD.ts >= (SELECT floor FROM rollup_floor);
    RETURN NULL;
END
$$;
DROP TRIGGER traces_deleted ON traces;
CREATE TRIGGER traces_deleted AFTER DELETE ON traces FOR EACH ROW EXECUTE FUNCTION append_dirty_buckets_of_row();
CREATE TRIGGER traces_truncated BEFORE TRUNCATE ON traces
    FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets_of_table();

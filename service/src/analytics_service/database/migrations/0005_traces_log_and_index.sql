-- phase: expand
-- The order of every list, and what a range of time of one organisation is read by.
CREATE INDEX traces_by_time ON traces (org_id, ts DESC, trace_id, span_id);

CREATE TRIGGER traces_inserted AFTER INSERT ON traces
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets();
CREATE TRIGGER traces_updated AFTER UPDATE ON traces
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets();
CREATE TRIGGER traces_deleted AFTER DELETE ON traces
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION append_dirty_buckets();

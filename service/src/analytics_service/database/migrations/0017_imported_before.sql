-- phase: expand
-- The organisations with rows that a release before 0.4 may have imported: it made the ids of rows without ids from the
-- place in their file. Importing such a file again looks for those ids too (ingest/identity.py).
CREATE TABLE imported_before (org_id text PRIMARY KEY);
INSERT INTO imported_before
SELECT org_id FROM rollup_version UNION SELECT org_id FROM rollup_dirty UNION SELECT org_id FROM rollup_log;

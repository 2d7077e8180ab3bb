-- phase: expand
-- requires: apache, tsl
ALTER TABLE traces ADD PRIMARY KEY (org_id, trace_id, span_id, ts);
SELECT create_hypertable(
    'traces', by_range('ts', (SELECT make_interval(hours => chunk_hours) FROM schema_meta)),
    create_default_indexes => false
);

-- Chunks make themselves; writers call it on every edition.
CREATE FUNCTION ensure_partitions(first timestamptz, last timestamptz) RETURNS integer LANGUAGE sql AS 'SELECT 0';

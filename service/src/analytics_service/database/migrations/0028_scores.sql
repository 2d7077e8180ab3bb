-- phase: expand
-- What people and evaluators think of traces and of their spans (docs/decisions/0048-scores.md). A score has the dimensions
-- of the spans that it is of, as they were when it came: that of those that have one, where it is the same, else an empty text.
CREATE TABLE score (
    org_id text NOT NULL,
    trace_id text NOT NULL,
    span_id text NOT NULL, -- empty: of the whole trace
    name text NOT NULL,
    source text NOT NULL,
    ts timestamptz NOT NULL, -- when the first of these spans began
    project_id text NOT NULL,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    user_id text,
    data_type text NOT NULL CHECK (data_type IN ('numeric', 'boolean', 'categorical')),
    value numeric CHECK (scale(value) <= 12), -- 0 or 1 of a boolean
    category text NOT NULL, -- empty, but of a categorical score
    comment text,
    scored_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, trace_id, span_id, name, source),
    CHECK ((data_type = 'categorical') = (value IS NULL)),
    CHECK ((data_type = 'categorical') = (category <> ''))
);
CREATE INDEX score_by_time ON score (org_id, ts);

-- The sums of a UTC day: equal to its scores at every moment while these are kept, and kept longer.
CREATE TABLE score_1day (
    org_id text NOT NULL,
    bucket timestamptz NOT NULL,
    project_id text NOT NULL,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    name text NOT NULL,
    source text NOT NULL,
    data_type text NOT NULL,
    category text NOT NULL,
    score_count bigint NOT NULL,
    value_sum numeric NOT NULL, -- 0 of categorical scores
    value_squares numeric NOT NULL,
    PRIMARY KEY (org_id, bucket, name, source, data_type, category, project_id, environment, provider, model)
);

-- Adds a score to its day, or takes it away (`sign` is -1), and has the answers about its day computed again. Below the
-- retention horizon single scores end, and the sums stay.
CREATE FUNCTION add_score_to_day(s score, sign integer) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    epoch CONSTANT timestamptz := '1970-01-01T00:00:00Z';
    day CONSTANT timestamptz := date_bin('1 day', s.ts, epoch);
BEGIN
    IF s.ts < (SELECT floor FROM rollup_floor) THEN
        RETURN;
    END IF;
    INSERT INTO score_1day AS d (
        org_id, bucket, project_id, environment, provider, model, name, source, data_type, category,
        score_count, value_sum, value_squares
    ) VALUES (
        s.org_id, day, s.project_id, s.environment, s.provider, s.model, s.name, s.source, s.data_type, s.category,
        sign, sign * coalesce(s.value, 0), sign * coalesce(s.value * s.value, 0)
    ) ON CONFLICT (org_id, bucket, name, source, data_type, category, project_id, environment, provider, model)
    DO UPDATE SET score_count = d.score_count + excluded.score_count, value_sum = d.value_sum + excluded.value_sum,
        value_squares = d.value_squares + excluded.value_squares;
    IF sign < 0 THEN
        DELETE FROM score_1day AS d
        WHERE d.org_id = s.org_id AND d.bucket = day AND d.name = s.name AND d.source = s.source
            AND d.data_type = s.data_type AND d.category = s.category AND d.project_id = s.project_id
            AND d.environment = s.environment AND d.provider = s.provider AND d.model = s.model AND d.score_count = 0;
    END IF;
    INSERT INTO rollup_log (org_id, minute, requests) VALUES (s.org_id, date_bin('1 minute', s.ts, epoch), false);
END
$$;

CREATE FUNCTION keep_score_days() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM add_score_to_day(OLD, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM add_score_to_day(NEW, 1);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_score_days AFTER INSERT OR DELETE ON score FOR EACH ROW EXECUTE FUNCTION keep_score_days();
CREATE TRIGGER keep_score_days_of_changed AFTER UPDATE ON score
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION keep_score_days();

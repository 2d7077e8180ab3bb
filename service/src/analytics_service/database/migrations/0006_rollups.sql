-- phase: expand
-- Sums are numeric: they neither overflow nor depend on the order of the rows. `_count` counts the rows where it is known.
CREATE TABLE rollup_1min (
    bucket timestamptz NOT NULL,
    org_id text NOT NULL,
    project_id text NOT NULL,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    operation_type text NOT NULL,
    status_code text NOT NULL,
    request_count bigint NOT NULL,
    prompt_tokens_sum numeric, prompt_tokens_count bigint NOT NULL, prompt_tokens_min bigint, prompt_tokens_max bigint,
    completion_tokens_sum numeric, completion_tokens_count bigint NOT NULL, completion_tokens_min bigint, completion_tokens_max bigint,
    total_tokens_sum numeric, total_tokens_count bigint NOT NULL, total_tokens_min bigint, total_tokens_max bigint,
    prompt_cost_usd_sum numeric, prompt_cost_usd_count bigint NOT NULL, prompt_cost_usd_min numeric, prompt_cost_usd_max numeric,
    completion_cost_usd_sum numeric, completion_cost_usd_count bigint NOT NULL, completion_cost_usd_min numeric, completion_cost_usd_max numeric,
    total_cost_usd_sum numeric, total_cost_usd_count bigint NOT NULL, total_cost_usd_min numeric, total_cost_usd_max numeric,
    duration_us_sum numeric, duration_us_count bigint NOT NULL, duration_us_min bigint, duration_us_max bigint,
    ttft_us_sum numeric, ttft_us_count bigint NOT NULL, ttft_us_min bigint, ttft_us_max bigint,
    PRIMARY KEY (org_id, bucket, project_id, environment, provider, model, operation_type, status_code)
);
CREATE TABLE rollup_15min (LIKE rollup_1min INCLUDING ALL);
CREATE TABLE rollup_1hour (LIKE rollup_1min INCLUDING ALL);
CREATE TABLE rollup_1day (LIKE rollup_1min INCLUDING ALL);

-- The names that people use; what lies behind them may change.
CREATE VIEW traces_1min AS SELECT * FROM rollup_1min;
CREATE VIEW traces_15min AS SELECT * FROM rollup_15min;
CREATE VIEW traces_1hour AS SELECT * FROM rollup_1hour;
CREATE VIEW traces_1day AS SELECT * FROM rollup_1day;

-- phase: expand
-- The names that people use, over the tables of this release. The columns of before come first, as CREATE OR REPLACE asks.
DO $$
DECLARE
    step text;
    name text;
    key text;
BEGIN
    FOREACH step IN ARRAY ARRAY['1min', '15min', '1hour', '1day'] LOOP
        EXECUTE format($view$
        CREATE OR REPLACE VIEW %I AS
        SELECT
            r.bucket, r.org_id, d.project_id, d.environment, d.provider, d.model, d.operation_type, d.status_code,
            r.request_count,
            r.prompt_tokens_sum, r.request_count - coalesce(r.prompt_tokens_missing, 0) AS prompt_tokens_count, r.prompt_tokens_min, r.prompt_tokens_max,
            r.completion_tokens_sum, r.request_count - coalesce(r.completion_tokens_missing, 0) AS completion_tokens_count, r.completion_tokens_min, r.completion_tokens_max,
            r.total_tokens_sum, r.request_count - coalesce(r.total_tokens_missing, 0) AS total_tokens_count, r.total_tokens_min, r.total_tokens_max,
            r.prompt_cost_usd_sum, r.request_count - coalesce(r.prompt_cost_usd_missing, 0) AS prompt_cost_usd_count, r.prompt_cost_usd_min, r.prompt_cost_usd_max,
            r.completion_cost_usd_sum, r.request_count - coalesce(r.completion_cost_usd_missing, 0) AS completion_cost_usd_count, r.completion_cost_usd_min, r.completion_cost_usd_max,
            r.total_cost_usd_sum, r.request_count - coalesce(r.total_cost_usd_missing, 0) AS total_cost_usd_count, r.total_cost_usd_min, r.total_cost_usd_max,
            r.duration_us_sum, r.request_count - coalesce(r.duration_us_missing, 0) AS duration_us_count, r.duration_us_min, r.duration_us_max,
            r.ttft_us_sum, r.request_count - coalesce(r.ttft_us_missing, 0) AS ttft_us_count, r.ttft_us_min, r.ttft_us_max,
            d.service_tier, d.price_status,
            r.cached_tokens_sum, r.cache_write_5m_tokens_sum, r.cache_write_1h_tokens_sum, r.reasoning_tokens_sum, r.audio_input_tokens_sum,
            r.audio_output_tokens_sum, r.images_sum, r.web_searches_sum, r.audio_seconds_sum, r.billed_units_sum
        FROM %I AS r JOIN rollup_dimension AS d USING (org_id, dim)
        $view$, 'traces_' || step, 'rollup_totals_' || step);
    END LOOP;
    FOREACH step IN ARRAY ARRAY['1hour', '1day'] LOOP
        EXECUTE format($view$
        CREATE OR REPLACE VIEW %I AS
        SELECT
            r.bucket, r.org_id, d.project_id, d.environment, d.provider, d.model, d.operation_type, d.status_code,
            CASE WHEN e.code < 2048 THEN 'duration_us' ELSE 'ttft_us' END AS measure,
            (CASE WHEN e.code < 2048 THEN e.code ELSE e.code - 4096 END)::smallint AS bin,
            e.n, d.service_tier, d.price_status
        FROM %I AS r JOIN rollup_dimension AS d USING (org_id, dim)
        CROSS JOIN LATERAL unnest(r.codes, r.counts) AS e (code, n)
        $view$, 'traces_' || step || '_latency', 'rollup_latency_' || step);
    END LOOP;
    -- By user, team and tag there are no minima and maxima any more: they cannot be taken away from.
    FOR name, key IN VALUES ('user', 'user_id'), ('team', 'team_id'), ('tag', 'tag') LOOP
        EXECUTE format($view$
        CREATE OR REPLACE VIEW %I AS
        SELECT
            r.bucket, r.org_id, d.project_id, d.environment, d.provider, d.model, d.operation_type, d.status_code,
            r.request_count,
            CASE WHEN r.request_count > coalesce(r.prompt_tokens_missing, 0) THEN coalesce(r.prompt_tokens_sum, 0) END AS prompt_tokens_sum,
            r.request_count - coalesce(r.prompt_tokens_missing, 0) AS prompt_tokens_count, NULL::bigint AS prompt_tokens_min, NULL::bigint AS prompt_tokens_max,
            CASE WHEN r.request_count > coalesce(r.completion_tokens_missing, 0) THEN coalesce(r.completion_tokens_sum, 0) END AS completion_tokens_sum,
            r.request_count - coalesce(r.completion_tokens_missing, 0) AS completion_tokens_count, NULL::bigint AS completion_tokens_min, NULL::bigint AS completion_tokens_max,
            CASE WHEN r.request_count > coalesce(r.total_tokens_missing, 0) THEN coalesce(r.total_tokens_sum, 0) END AS total_tokens_sum,
            r.request_count - coalesce(r.total_tokens_missing, 0) AS total_tokens_count, NULL::bigint AS total_tokens_min, NULL::bigint AS total_tokens_max,
            CASE WHEN r.request_count > coalesce(r.prompt_cost_usd_missing, 0) THEN coalesce(r.prompt_cost_usd_sum, 0) END AS prompt_cost_usd_sum,
            r.request_count - coalesce(r.prompt_cost_usd_missing, 0) AS prompt_cost_usd_count, NULL::numeric AS prompt_cost_usd_min, NULL::numeric AS prompt_cost_usd_max,
            CASE WHEN r.request_count > coalesce(r.completion_cost_usd_missing, 0) THEN coalesce(r.completion_cost_usd_sum, 0) END AS completion_cost_usd_sum,
            r.request_count - coalesce(r.completion_cost_usd_missing, 0) AS completion_cost_usd_count, NULL::numeric AS completion_cost_usd_min, NULL::numeric AS completion_cost_usd_max,
            CASE WHEN r.request_count > coalesce(r.total_cost_usd_missing, 0) THEN coalesce(r.total_cost_usd_sum, 0) END AS total_cost_usd_sum,
            r.request_count - coalesce(r.total_cost_usd_missing, 0) AS total_cost_usd_count, NULL::numeric AS total_cost_usd_min, NULL::numeric AS total_cost_usd_max,
            CASE WHEN r.request_count > coalesce(r.duration_us_missing, 0) THEN coalesce(r.duration_us_sum, 0) END AS duration_us_sum,
            r.request_count - coalesce(r.duration_us_missing, 0) AS duration_us_count, NULL::bigint AS duration_us_min, NULL::bigint AS duration_us_max,
            CASE WHEN r.request_count > coalesce(r.ttft_us_missing, 0) THEN coalesce(r.ttft_us_sum, 0) END AS ttft_us_sum,
            r.request_count - coalesce(r.ttft_us_missing, 0) AS ttft_us_count, NULL::bigint AS ttft_us_min, NULL::bigint AS ttft_us_max,
            r.%I, d.service_tier, d.price_status,
            r.cached_tokens_sum, r.cache_write_5m_tokens_sum, r.cache_write_1h_tokens_sum, r.reasoning_tokens_sum, r.audio_input_tokens_sum,
            r.audio_output_tokens_sum, r.images_sum, r.web_searches_sum, r.audio_seconds_sum, r.billed_units_sum
        FROM %I AS r JOIN rollup_dimension AS d USING (org_id, dim)
        $view$, 'traces_1day_' || name, key, 'rollup_' || name || '_1day');
    END LOOP;
END
$$;

CREATE OR REPLACE VIEW traces_1hour_users AS
SELECT
    r.bucket, r.org_id, d.project_id, d.environment, d.provider, d.model, d.operation_type, d.status_code,
    (e.code / 128)::smallint AS reg, (e.code % 128)::smallint AS rank, d.service_tier, d.price_status
FROM rollup_users_1hour AS r JOIN rollup_dimension AS d USING (org_id, dim)
CROSS JOIN LATERAL unnest(r.codes) AS e (code);

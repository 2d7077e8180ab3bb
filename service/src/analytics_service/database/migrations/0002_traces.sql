-- phase: expand
-- A row is a span. The next step turns the table into what the edition stores best.
-- Each CHECK has a twin in ingest/rows.py, which names line and field before the database would refuse the batch.
CREATE TABLE traces (
    org_id text NOT NULL CHECK (octet_length(org_id) BETWEEN 1 AND 256),
    project_id text NOT NULL DEFAULT '' CHECK (octet_length(project_id) <= 256),
    trace_id text NOT NULL CHECK (octet_length(trace_id) BETWEEN 1 AND 256),
    span_id text NOT NULL CHECK (octet_length(span_id) BETWEEN 1 AND 256),
    ts timestamptz NOT NULL CHECK (ts >= '1970-01-01T00:00:00Z' AND ts < '2200-01-01T00:00:00Z'),
    parent_span_id text CHECK (octet_length(parent_span_id) <= 256),
    span_name text CHECK (octet_length(span_name) <= 256),
    service_name text CHECK (octet_length(service_name) <= 256),
    operation_type text NOT NULL DEFAULT '' CHECK (octet_length(operation_type) <= 256),
    provider text NOT NULL DEFAULT '' CHECK (octet_length(provider) <= 256),
    model text NOT NULL DEFAULT '' CHECK (octet_length(model) <= 256),
    environment text NOT NULL DEFAULT '' CHECK (octet_length(environment) <= 256),
    status_code text NOT NULL DEFAULT 'UNSET' CHECK (status_code IN ('OK', 'ERROR', 'UNSET')),
    error_message text CHECK (octet_length(error_message) <= 65536),
    is_request boolean NOT NULL DEFAULT true,
    input_text text CHECK (octet_length(input_text) <= 4194304),
    output_text text CHECK (octet_length(output_text) <= 4194304),
    prompt_tokens bigint CHECK (prompt_tokens >= 0),
    completion_tokens bigint CHECK (completion_tokens >= 0),
    total_tokens bigint CHECK (total_tokens >= 0),
    cached_tokens bigint CHECK (cached_tokens >= 0),
    reasoning_tokens bigint CHECK (reasoning_tokens >= 0),
    prompt_cost_usd numeric CHECK (prompt_cost_usd >= 0 AND prompt_cost_usd < 1e9 AND scale(prompt_cost_usd) <= 12),
    completion_cost_usd numeric
        CHECK (completion_cost_usd >= 0 AND completion_cost_usd < 1e9 AND scale(completion_cost_usd) <= 12),
    total_cost_usd numeric CHECK (total_cost_usd >= 0 AND total_cost_usd < 1e9 AND scale(total_cost_usd) <= 12),
    price_version text CHECK (octet_length(price_version) <= 256),
    duration_us bigint CHECK (duration_us >= 0),
    ttft_us bigint CHECK (ttft_us >= 0),
    user_id text CHECK (octet_length(user_id) <= 256),
    session_id text CHECK (octet_length(session_id) <= 256),
    team_id text CHECK (octet_length(team_id) <= 256),
    tags text[] CHECK (cardinality(tags) <= 64 AND array_position(tags, NULL) IS NULL
        AND octet_length(array_to_string(tags, '')) <= 16384),
    attributes jsonb CHECK (jsonb_typeof(attributes) = 'object')
);

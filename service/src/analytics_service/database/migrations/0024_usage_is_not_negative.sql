-- phase: expand
-- requires: postgres
-- The twins of ingest/values.py for the columns that 0013 added. Rows that are stored are read by the next file,
-- without a lock that keeps anybody out. Hypertables have none: TimescaleDB adds no constraint to one whose chunks may
-- be compressed, and what writes to them is the same code.
ALTER TABLE traces
    ADD CONSTRAINT request_weight_is_positive CHECK (request_weight >= 1) NOT VALID,
    ADD CONSTRAINT cache_write_5m_tokens_not_negative CHECK (cache_write_5m_tokens >= 0) NOT VALID,
    ADD CONSTRAINT cache_write_1h_tokens_not_negative CHECK (cache_write_1h_tokens >= 0) NOT VALID,
    ADD CONSTRAINT audio_input_tokens_not_negative CHECK (audio_input_tokens >= 0) NOT VALID,
    ADD CONSTRAINT audio_output_tokens_not_negative CHECK (audio_output_tokens >= 0) NOT VALID,
    ADD CONSTRAINT images_not_negative CHECK (images >= 0) NOT VALID,
    ADD CONSTRAINT web_searches_not_negative CHECK (web_searches >= 0) NOT VALID,
    ADD CONSTRAINT audio_seconds_not_negative CHECK (audio_seconds >= 0) NOT VALID,
    ADD CONSTRAINT billed_units_not_negative CHECK (billed_units >= 0) NOT VALID;

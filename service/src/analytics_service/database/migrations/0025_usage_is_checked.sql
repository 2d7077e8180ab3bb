-- phase: expand
-- requires: postgres
-- One reading of each partition, beside whoever reads and writes. Where somebody else has stored what is not allowed,
-- the rows stay as they are: new ones are checked all the same.
DO $$
BEGIN
    ALTER TABLE traces
        VALIDATE CONSTRAINT request_weight_is_positive,
        VALIDATE CONSTRAINT cache_write_5m_tokens_not_negative,
        VALIDATE CONSTRAINT cache_write_1h_tokens_not_negative,
        VALIDATE CONSTRAINT audio_input_tokens_not_negative,
        VALIDATE CONSTRAINT audio_output_tokens_not_negative,
        VALIDATE CONSTRAINT images_not_negative,
        VALIDATE CONSTRAINT web_searches_not_negative,
        VALIDATE CONSTRAINT audio_seconds_not_negative,
        VALIDATE CONSTRAINT billed_units_not_negative;
EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'traces has rows with negative usage: %', SQLERRM;
END
$$;

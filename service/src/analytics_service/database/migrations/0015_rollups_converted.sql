-- phase: expand
-- converts: rollups
-- Readers of this release need no rollup of before: the conversion, which runs first, is complete.
DO $$
BEGIN
    IF EXISTS (SELECT FROM rollup_conversion WHERE done_from > '-infinity') THEN
        RAISE EXCEPTION 'the rollups of the release before are not converted: run analytics-service migrate';
    END IF;
END
$$;
DROP TABLE rollup_conversion;

"""Rows that TimescaleDB may have compressed. Pure."""

from typing import Final

FOR_COMPRESSED: Final = """
SELECT set_config(name, CASE name WHEN 'plan_cache_mode' THEN 'force_custom_plan' ELSE '0' END, true) FROM pg_settings
WHERE name IN ('plan_cache_mode', 'timescaledb.max_tuples_decompressed_per_dml_transaction')
"""
"""At the beginning of a transaction: TimescaleDB finds the compressed batches of an hour by the values of a statement,
and has a limit to their rows.
"""

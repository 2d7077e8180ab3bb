"""The position in the write-ahead log (LSN) where the primary has written to: reads from a replica are proved by it."""

from typing import Final

WRITE_LSN: Final = """
(SELECT at - CASE WHEN at % pg_size_bytes(current_setting('wal_segment_size')) = 40 THEN 40
    WHEN at % current_setting('wal_block_size')::bigint = 24 THEN 24 ELSE 0 END
FROM (SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS at OFFSET 0) AS log)
"""
"""SQL: the end of the primary's log, in bytes. Without the header of a page that has no record yet: a replica replays
no header alone, and would seem to be behind for ever."""

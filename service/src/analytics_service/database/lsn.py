"""Where a server's log ends: the position (LSN) that reads from a replica are proved by."""

from typing import Final

WRITTEN: Final = """
(SELECT at - CASE WHEN at % pg_size_bytes(current_setting('wal_segment_size')) = 40 THEN 40
    WHEN at % current_setting('wal_block_size')::bigint = 24 THEN 24 ELSE 0 END
FROM (SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS at OFFSET 0) AS log)
"""
"""Where the primary's log ends. Without the header of a page that has no record yet: nobody replays a header alone."""

"""Locks of sessions: one process at a time does what a lock is for, and the error of the next one names it."""

from typing import Final

from analytics_service.database.activity import Activity
from analytics_service.database.connect import Connection
from analytics_service.errors import DatabaseError

_KEY: Final = "hashtextextended($1, 0)"
_TRY: Final = f"SELECT pg_try_advisory_lock({_KEY})"
_HOLDER: Final = f"""
SELECT a.pid, a.usename, a.application_name, a.state,
    extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS seconds
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
    AND (l.classid::bigint << 32) | l.objid::bigint = {_KEY}
"""


async def lock(connection: Connection, name: str, purpose: str) -> None:
    """Takes the lock for as long as the session lasts; DatabaseError names who has it, and what for."""
    if await connection.fetchval(_TRY, name):
        return
    row = await connection.fetchrow(_HOLDER, name)
    holder = "another session"
    if row is not None:
        holder = Activity(
            user=row["usename"], application=row["application_name"], state=row["state"], seconds=row["seconds"]
        ).describe(f"process {row['pid']}")
    raise DatabaseError(f"{purpose} by {holder}: wait until it is done")

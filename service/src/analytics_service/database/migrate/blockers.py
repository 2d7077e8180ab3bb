"""The transaction that a migration waits for, described without the values of its statement."""

from analytics_service.database.activity import Activity
from analytics_service.database.connect import Connection

_BLOCKERS = """
SELECT a.pid, a.usename, a.application_name, a.state, a.query,
    round(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS seconds
FROM unnest(pg_blocking_pids($1)) AS blocking (pid) JOIN pg_stat_activity AS a USING (pid)
ORDER BY a.xact_start LIMIT 1
"""


async def blocker_of(watcher: Connection, pid: int) -> str | None:
    """The oldest transaction that process `pid` waits for, in a few words; None while it waits for nobody.

    Whoever is not of the same role shows its statement only to members of pg_read_all_stats.
    """
    row = await watcher.fetchrow(_BLOCKERS, pid)
    if row is None:
        return None
    activity = Activity(
        user=row["usename"],
        application=row["application_name"],
        state=row["state"],
        seconds=row["seconds"],
        query=row["query"],
    )
    return activity.describe(f"process {row['pid']}")

"""The transaction that a migration waits for, described without the values of its statement."""

import re

import asyncpg

from analytics_service.database.connect import Connection

_MAX_CHARACTERS = 120
_BLOCKERS = """
SELECT a.pid, a.usename, a.application_name, a.state, a.query,
    round(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS seconds
FROM unnest(pg_blocking_pids($1)) AS blocking (pid) JOIN pg_stat_activity AS a USING (pid)
ORDER BY a.xact_start LIMIT 1
"""
_VALUES = re.compile(  # the server cuts long statements, also inside a value
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|[eEbBxXuU]?&?'(?:[^']|'')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)|\b\d[\w.]*""",
    re.DOTALL,
)


async def blocker_of(watcher: Connection, pid: int) -> str | None:
    """The oldest transaction that process `pid` waits for, in a few words; None while it waits for nobody.

    Whoever is not of the same role shows its statement only to members of pg_read_all_stats.
    """
    row = await watcher.fetchrow(_BLOCKERS, pid)
    return None if row is None else describe(row)


def describe(row: asyncpg.Record) -> str:
    name = f" ({row['application_name']})" if row["application_name"] else ""
    since = "" if row["seconds"] is None else f" for {row['seconds']} s"
    statement = redact_values(row["query"] or "")
    return f"process {row['pid']} of {row['usename']}{name}, {row['state']}{since}: {statement}"


def redact_values(statement: str) -> str:
    """The statement in one line, with ? for every value, cut: its texts may be what clients wrote."""
    line = " ".join(_VALUES.sub("?", statement).split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"

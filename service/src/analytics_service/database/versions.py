"""What tells two states of an organisation's rows apart, for the keys of cached answers."""

from datetime import datetime

from analytics_service.database.query import Query

_FIRST_DAY = "date_bin('1 day', $2::timestamptz, '1970-01-01T00:00:00Z'::timestamptz)"
_SQL = f"""
SELECT (
    SELECT coalesce(sum(version), 0)::text FROM rollup_version
    WHERE org_id = $1 AND day >= {_FIRST_DAY} AND day < $3::timestamptz
) || '.' || (
    SELECT count(*)::text FROM rollup_dirty
    WHERE org_id = $1 AND level = '1day' AND bucket_start >= {_FIRST_DAY} AND bucket_start < $3::timestamptz
)
"""


def version(organisation: str, start: datetime, end: datetime) -> Query:
    """One text that changes whenever a row of `organisation` in [start, end) changes, and never comes back.

    Every statement on traces appends to the dirty log of its days, and whoever takes entries out of it adds to the
    version of their day: so either the first number grows, or it stays and the second one grows.
    """
    return Query(sql=_SQL, args=(organisation, start, end))

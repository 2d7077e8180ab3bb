"""Versions of an organisation's rows by day, which tell two states of a range apart in the keys of cached answers."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from analytics_service.database.lsn import WRITE_LSN
from analytics_service.database.query import Query

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SQL = """
SELECT array_agg(day ORDER BY day) AS days, array_agg(versions ORDER BY day) AS versions,
  array_agg(dirty ORDER BY day) AS dirty
FROM (
  SELECT (extract(epoch FROM day) / 86400)::integer AS day,
    sum(version)::bigint AS versions, sum(dirty)::bigint AS dirty
  FROM (
    SELECT day, version, 0 AS dirty FROM rollup_version WHERE org_id = $1
    UNION ALL
    SELECT bucket_start, 0, 1 FROM rollup_dirty WHERE org_id = $1 AND level = '1day'
  ) AS known
  GROUP BY 1
) AS days
"""
_SQL_WITH_LSN = f"""
SELECT v.*, CASE WHEN NOT pg_is_in_recovery() THEN {WRITE_LSN} END AS lsn
FROM ({_SQL}) AS v
"""


def query(organisation: str, *, with_lsn: bool = False) -> Query:
    """One row, for `of_row`; `with_lsn` also asks for the position in the log that a replica has to have replayed."""
    return Query(sql=_SQL_WITH_LSN if with_lsn else _SQL, args=(organisation,))


@dataclass(frozen=True)
class DayVersions:
    """Running totals of one organisation: at each index, the sums over all earlier days."""

    days: Sequence[int]
    """Since 1970, in UTC."""
    versions: Sequence[int]
    dirty: Sequence[int]
    lsn: int | None = None
    """In the primary's log: a replica that has replayed it up to there has every row that these versions stand for."""

    def of(self, start: datetime, end: datetime) -> str:
        """One text that changes whenever a row in [start, end) changes, and never comes back.

        Every statement on traces appends to the dirty log of its days, and whoever takes entries out of it adds to the
        version of their day: so either the first number grows, or it stays and the second one grows.
        """
        first = bisect_left(self.days, (start - _EPOCH) // _DAY)
        last = bisect_left(self.days, -((_EPOCH - end) // _DAY))
        return f"{self.versions[last] - self.versions[first]}.{self.dirty[last] - self.dirty[first]}"


def of_row(
    days: Iterable[int] | None,
    versions: Iterable[int] | None,
    dirty: Iterable[int] | None,
    lsn: int | None = None,
) -> DayVersions:
    """The versions from the row that `query` returns; an organisation without rows has no days."""
    known, changed = (array("q", accumulate(column or (), initial=0)) for column in (versions, dirty))
    return DayVersions(array("q", days or ()), known, changed, lsn)

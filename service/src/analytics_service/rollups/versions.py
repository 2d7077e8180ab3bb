"""Versions of an organisation's rows by day, which tell two states of a range apart in the keys of cached answers."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from analytics_service.database.lsn import WRITE_LSN
from analytics_service.database.query import Query
from analytics_service.database.tenancy import RAW_HORIZON, in_organisation
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.repricing import ACTIVE, ActivePlan, of_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_DATABASE: Final = """
concat_ws('.',
  (SELECT oid FROM pg_database WHERE datname = current_database()),
  pg_relation_filenode('rollup_version'),
  extract(epoch FROM pg_postmaster_start_time()),
  extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()))
"""
"""SQL: a text that no other database has, and that changes when this one may have lost rows that were seen.

Two databases of a server differ in the first number, and a table that was made again has another file.
A clone, a standby and a server that went back in time were started at another moment. Without synchronous_commit a
server forgets transactions when one of its processes is killed, and goes on: it forgets its statistics then, too.
"""
WRITTEN_DAYS: Final = f"""
SELECT org_id, day FROM (
  SELECT org_id, day FROM rollup_version
  UNION SELECT org_id, {bucket_of(Step.DAY.width, "minute")} FROM rollup_log
) AS written
WHERE (cardinality($1::text[]) = 0 OR org_id = ANY($1::text[])) AND day >= {RAW_HORIZON}
"""
"""SQL: the days of organisations that may have rows of raw; $1 are their names, of which none stands for all."""
_SQL = f"""
SELECT array_agg(day ORDER BY day) AS days, array_agg(version ORDER BY day) AS versions, {_DATABASE} AS database,
  {ACTIVE} AS repricing
FROM (
  SELECT (extract(epoch FROM day) / 86400)::integer AS day, sum(version)::bigint AS version
  FROM (
    SELECT v.day, v.version - v.legacy AS version FROM rollup_version AS v WHERE {in_organisation("v")}
    UNION ALL
    SELECT {bucket_of(Step.DAY.width, "l.minute")}, count(*)
    FROM rollup_log AS l WHERE {in_organisation("l")} GROUP BY 1
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
    """Running totals of one organisation: at each index, the sum over all earlier days."""

    days: Sequence[int]
    """Since 1970, in UTC."""
    versions: Sequence[int]
    database: str
    """Identifies the database that counts them, and the state that it has counted from."""
    repricing: ActivePlan | None = None
    """That changes their prices just now."""
    lsn: int | None = None
    """In the primary's log: a replica that has replayed it up to there has every row that these versions stand for."""

    def of(self, start: datetime, end: datetime) -> str:
        """One text that changes whenever a row in [start, end) changes, never comes back, and is of one database alone.

        Every statement on traces appends to the log of its days, and whoever takes entries out of it adds their number
        to the version of the day in the same transaction: so the sum of both grows with writes, and with nothing else
        but retention. An answer that is cached outlives every refresh. While a plan changes prices in the range, it
        also has the plan and how far that is, which the answer says.
        """
        first = bisect_left(self.days, (start - _EPOCH) // _DAY)
        last = bisect_left(self.days, -((_EPOCH - end) // _DAY))
        version = f"{self.database}/{self.versions[last] - self.versions[first]}"
        repricing = self.repricing.within(start, end) if self.repricing is not None else None
        return version if repricing is None else "/".join((version, *map(str, repricing)))


def of_row(
    days: Iterable[int] | None,
    versions: Iterable[int] | None,
    database: str,
    repricing: str | None = None,
    lsn: int | None = None,
) -> DayVersions:
    """The versions from the row that `query` returns; an organisation without rows has no days."""
    return DayVersions(
        array("q", days or ()),
        array("q", accumulate(versions or (), initial=0)),
        database,
        of_text(repricing),
        lsn,
    )

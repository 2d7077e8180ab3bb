"""What waits for a refresh: which organisations, for which stage, and since when, by the clock of the database.

Two statements, however many organisations there are; each reads the log, or the stale buckets, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.rollups.hierarchy.log import BUSY_WAIT, MAX_ROWS
from analytics_service.rollups.hierarchy.refresh import MAX_WAIT, QUIET, SETTLING
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import Stage

NOW: Final = "SELECT clock_timestamp()"
MINUTES: Final = f"""
SELECT org_id, sum(entries)::bigint AS entries,
  min(since) FILTER (WHERE minute < now) AS since,
  coalesce(max(newest) FILTER (WHERE minute < now) <= max(now) - $2::interval, false)
    OR coalesce(bool_or(oldest <= now - $3::interval) FILTER (WHERE minute < now), false)
    OR coalesce(
      sum(rows) FILTER (WHERE minute < now) > {MAX_ROWS}
        AND min(oldest) FILTER (WHERE minute < now) <= max(now) - {BUSY_WAIT}, false
    ) AS due,
  min(minute) FILTER (WHERE requests AND minute <= now - interval '1 minute') AS first
FROM (
  SELECT org_id, minute, $1::timestamptz AS now, count(*) AS entries, bool_or(requests) AS requests,
    sum(rows) AS rows, min(logged_at) AS oldest, max(logged_at) AS newest, greatest(min(logged_at), minute) AS since
  FROM rollup_log GROUP BY org_id, minute
) AS minutes
GROUP BY org_id"""
"""Arguments: $1 now, $2 quiet, $3 max_wait: as rollups/hierarchy/log.py has them."""


def _of_stage(values: Mapping[Stage, str]) -> str:
    cases = " ".join(f"WHEN '{stage.value}' THEN {value}" for stage, value in values.items())
    return f"CASE s.step {cases} END"


WIDTH: Final = _of_stage({stage: f"interval '{int(stage.width.total_seconds())} seconds'" for stage in Stage})
"""SQL: how long the bucket of `s`, a row of `rollup_stale`, is."""
_FINER: Final = _of_stage({stage: f"'{{{','.join(stage.finer)}}}'::text[]" for stage in Stage})
STALE: Final = f"""
SELECT s.org_id, s.step, min(s.bucket) AS first, min(s.bucket) FILTER (WHERE NOT b.blocked) AS due
FROM rollup_stale AS s CROSS JOIN LATERAL (
  SELECT EXISTS (
    SELECT FROM rollup_log AS e
    WHERE e.org_id = s.org_id AND e.requests AND e.minute >= s.bucket AND e.minute < s.bucket + {WIDTH}
  ) OR EXISTS (
    SELECT FROM rollup_stale AS f
    WHERE f.org_id = s.org_id AND f.step = ANY({_FINER}) AND f.bucket >= s.bucket AND f.bucket < s.bucket + {WIDTH}
  ) AS blocked
) AS b
WHERE s.bucket <= $1::timestamptz - {WIDTH}
  - CASE s.step WHEN '{Stage.PART.value}' THEN $2::interval ELSE interval '0' END
GROUP BY 1, 2"""
"""Arguments: $1 now, $2 for how long parts settle. `first` is the first bucket that has ended and settled, `due` the
first that a refresh would take."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """One step of a refresh that has something to do."""

    organisation: str
    stage: Stage | None
    """None for minutes."""
    moment: datetime
    """When the oldest entry was written; for a stage the start of the first bucket."""


@dataclass(frozen=True, kw_only=True)
class Backlog:
    now: datetime
    """By the database."""
    log_entries: int
    due: tuple[Due, ...]
    """Minutes first, then the stages in their order."""
    waits: timedelta
    """Since the oldest entry was written, of a minute that has begun."""
    lags: Mapping[str, float]
    """Seconds by minutes and stages: from now back to the first bucket that has ended and is read from finer ones or
    from raw; 0 where there is none."""


async def backlog(
    connection: Connection,
    *,
    quiet: timedelta = QUIET,
    max_wait: timedelta = MAX_WAIT,
    settling: timedelta = SETTLING,
) -> Backlog:
    """What waits now; minutes and buckets to come do not."""
    now: datetime = await connection.fetchval(NOW)
    minutes = await connection.fetch(MINUTES, now, quiet, max_wait)
    stale = await connection.fetch(STALE, now, settling)
    due = [Due(organisation=row["org_id"], stage=None, moment=row["since"]) for row in minutes if row["due"]]
    firsts = {Step.MINUTE.value: [row["first"] for row in minutes if row["first"] is not None]}
    for stage in Stage:
        rows = [row for row in stale if row["step"] == stage.value]
        due += [Due(organisation=row["org_id"], stage=stage, moment=row["due"]) for row in rows if row["due"]]
        firsts[stage.value] = [row["first"] for row in rows]
    since = [row["since"] for row in minutes if row["since"] is not None]
    return Backlog(
        now=now,
        log_entries=sum(row["entries"] for row in minutes),
        due=tuple(due),
        waits=max(now - min(since, default=now), timedelta(0)),
        lags={level: (now - min(first, default=now)).total_seconds() for level, first in firsts.items()},
    )

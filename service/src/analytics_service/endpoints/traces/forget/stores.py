"""What else names a user, beside the rows: a store of copies joins here. Pure.

Above the retention horizon rollups follow the rows by their log. Below it they are all that is left: the sums of days
stay as they are, and the requests of the user become requests without one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from analytics_service.database.export_jobs import IS_ACTIVE
from analytics_service.database.query import Query
from analytics_service.database.tenancy import (
    RAW_HORIZON,
    in_organisation,
    in_projects,
    may_hold_rows_of_projects,
    predicate,
)
from analytics_service.endpoints.traces.forget.report import Subject
from analytics_service.rollups.hierarchy import log
from analytics_service.rollups.hierarchy.columns import SUMS
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.legacy.levels import SHAPES, Level

_DAY: Final = bucket_of(Step.DAY.width, "p.bucket")
_OF_USER: Final = f"{in_organisation('r')} AND r.user_id = $3 AND r.bucket < {RAW_HORIZON}"


def _merged(name: str) -> str:
    """SQL: a column of two rows of one bucket, where NULL is no value."""
    combine = {"_min": "least(r.{0}, excluded.{0})", "_max": "greatest(r.{0}, excluded.{0})"}.get(
        name[-4:], "coalesce(r.{0} + excluded.{0}, r.{0}, excluded.{0})"
    )
    return f"{name} = {combine.format(name)}"


def _without_user(table: str, keys: tuple[str, ...], values: tuple[str, ...], deleted: str) -> str:
    """Adds rows of the user to those without a user. `deleted`: SQL that deletes and returns them, as `r`."""
    columns = ", ".join(("org_id", "bucket", *keys, *values))
    return f"""
WITH deleted AS ({deleted} RETURNING r.*), written AS (
  INSERT INTO {table} AS r ({columns}, user_id) SELECT {columns}, NULL FROM deleted
  ON CONFLICT (org_id, bucket, user_id, {", ".join(keys)}) DO UPDATE SET {", ".join(map(_merged, values))}
  RETURNING r.bucket
)
INSERT INTO rollup_version AS v (org_id, day, version) SELECT DISTINCT $1, bucket, 1 FROM written
ON CONFLICT (org_id, day) DO UPDATE SET version = v.version + 1"""


_BEFORE: Final = SHAPES[Level.DAY_USER]
_BEFORE_KEYS: Final = tuple(name for name in _BEFORE.keys if name not in {"org_id", "user_id"})
_WITHOUT_USER: Final = (
    _without_user(
        "rollup_user_1day",
        ("dim",),
        SUMS,
        f"""
  DELETE FROM rollup_user_1day AS r USING rollup_dimension AS d
  WHERE {_OF_USER} AND {in_organisation("d")} AND d.dim = r.dim AND {in_projects("d")}""",
    ),
    _without_user(
        Level.DAY_USER.table,
        _BEFORE_KEYS,
        tuple(_BEFORE.sums),
        f"DELETE FROM {Level.DAY_USER.table} AS r WHERE {_OF_USER} AND {in_projects('r')}",
    ),
)
"""Of this release, and of the one before, whose pods may still read."""
_PARTS: Final = f"""
WITH days AS MATERIALIZED (
  SELECT DISTINCT {_DAY} AS day FROM rollup_part AS p
  WHERE {in_organisation("p")} AND p.bucket < {RAW_HORIZON} AND $2 = ANY(p.users)
), unparted AS (
  INSERT INTO rollup_unparted (org_id, day) SELECT $1, day FROM days ON CONFLICT DO NOTHING
)
DELETE FROM rollup_part AS p USING days WHERE {in_organisation("p")} AND {_DAY} = days.day"""
"""Parts below the horizon, which nobody reads any more, end with it; retention has not come to these yet."""

_SCORES: Final = f"DELETE FROM score AS s WHERE {predicate('s')} AND s.user_id = $3"
"""Those of rows that have ended before."""


_MAY_HOLD: Final = f"{in_organisation('j')} AND {may_hold_rows_of_projects('j')}"
_EXPORTS: Final = (
    f"""
UPDATE export_job AS j SET request = j.request - 'user_id',
  status = CASE WHEN {IS_ACTIVE} THEN 'cancelled' WHEN j.status = 'completed' THEN 'expired' ELSE j.status END,
  finished_at = coalesce(j.finished_at, now()), error = 'it was of a user whose rows were deleted'
WHERE {_MAY_HOLD} AND j.request ->> 'user_id' = $3""",
    f"""
UPDATE export_job AS j SET
  status = CASE j.status WHEN 'processing' THEN 'pending' ELSE 'expired' END, not_before = now(),
  error = CASE j.status WHEN 'processing' THEN NULL ELSE 'rows in it were deleted since: create the export again' END
WHERE {_MAY_HOLD} AND j.status IN ('processing', 'completed')
  AND coalesce(j.request ->> 'user_id' = $3, true)
  AND EXISTS (SELECT FROM unnest($4::timestamptz[]) AS d (day)
    WHERE j.range_start < d.day + interval '24 hours' AND j.range_end > d.day)""",
)
"""Those of the user alone end, and lose the name. Others that may hold rows of it, by the days that had some, end too;
what is being written starts again. The worker deletes their files."""


def queries(subject: Subject, days: Sequence[datetime]) -> tuple[Query, ...]:
    """Run in this order in one transaction, after the last row was deleted; again, they change nothing.

    `days` are those, in UTC, that had rows or requests of the user.
    """
    arguments = (subject.organisation, subject.projects, subject.user)
    of_user, of_days = _EXPORTS
    return (
        Query(sql=log.LOCK, args=(subject.organisation,)),
        Query(sql=log.SHARE_HORIZONS),
        *(Query(sql=each, args=arguments) for each in (*_WITHOUT_USER, _SCORES)),
        Query(sql=_PARTS, args=(subject.organisation, subject.user)),
        Query(sql=of_user, args=arguments),
        Query(sql=of_days, args=(*arguments, list(days))),
    )

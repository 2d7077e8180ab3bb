"""The dimensions that costs are divided by, and the rows that know each. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import FilteredParameters
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level, choose
from analytics_service.rollups.query import requests


class CostDimension(StrEnum):
    USER = "user"
    TEAM = "team"
    TAG = "tag"
    PROVIDER = "provider"
    MODEL = "model"
    ENVIRONMENT = "environment"
    PROJECT = "project"

    @property
    def overlaps(self) -> bool:
        """Whether a request may have several values, so that their costs add up to more than there are."""
        return self is CostDimension.TAG


_COLUMNS: Final = {
    CostDimension.USER: "user_id",
    CostDimension.TEAM: "team_id",
    CostDimension.TAG: "tag",
    CostDimension.PROVIDER: "provider",
    CostDimension.MODEL: "model",
    CostDimension.ENVIRONMENT: "environment",
    CostDimension.PROJECT: "project_id",
}
_DAYS: Final = {
    CostDimension.USER: Level.DAY_USER,
    CostDimension.TEAM: Level.DAY_TEAM,
    CostDimension.TAG: Level.DAY_TAG,
}
"""Rollups of the dimensions that totals are not grouped by."""
_TAGS_OF_RAW: Final = """(
  SELECT t.*, u.tag FROM requests AS t
  LEFT JOIN LATERAL (SELECT DISTINCT tag FROM unnest(t.tags) AS each (tag)) AS u ON true
)"""


@dataclass(frozen=True, kw_only=True)
class DimensionRows:
    """Where the costs of each value are read from, each request once for every value that it has."""

    level: Level
    expressions: str
    """The common table expressions that `rows` and `requests`, the same requests once each, are of."""
    rows: str
    """A row as one of `requests`, with the column `value`: NULL of requests without one."""


def dimension_rows(params: FilteredParameters, dimension: CostDimension | None, length: timedelta) -> DimensionRows:
    """The coarsest rows that answer for a range of `length`, wherever it begins.

    RequestError where raw alone does, and the range of the parameters is too long for it.
    """
    level = _level(params, dimension, length)
    rows, others = "requests", list[Table]()
    if level is Level.DAY_TAG:
        rows, others = "tags", [Table.TAG_1DAY]
    elif dimension is CostDimension.TAG:
        rows = _TAGS_OF_RAW
    return DimensionRows(
        level=level,
        # days by team have every request once, and end where days by tag do
        expressions=requests(Level.DAY_TEAM if others else level, *others),
        rows=f"(SELECT r.*, {_column(dimension)} AS value FROM {rows} AS r)",
    )


def _column(dimension: CostDimension | None) -> str:
    return "NULL::text" if dimension is None else f"r.{_COLUMNS[dimension]}"


def _level(params: FilteredParameters, dimension: CostDimension | None, length: timedelta) -> Level:
    if params.user_id is None or dimension is CostDimension.USER:
        of_dimension = _DAYS.get(dimension) if dimension else None
        return of_dimension or choose(start=params.range.end - length, end=params.range.end)
    if dimension in _DAYS:
        params.require_raw_range("user_id", f"a {dimension} of one user")
        return Level.RAW
    return Level.DAY_USER

"""Filters that reads over many requests share, as conditions on `requests` of rollups/query/."""

from datetime import timedelta
from typing import ClassVar

from analytics_service.contract.parameters import RangedParameters, Text, days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.tenancy import Arguments


class RawRangeParameters(RangedParameters):
    """Of reads over many requests, which rollups answer where they can."""

    max_raw_range: ClassVar[timedelta] = timedelta(days=7)
    """For what no rollup holds: each request of the range is read from raw."""

    @property
    def within_raw_range(self) -> bool:
        return self.range.length <= self.max_raw_range

    def require_raw_range(self, field: str, reason: str) -> None:
        """Raises RequestError where the range is too long to be read from raw."""
        if not self.within_raw_range:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"{reason} is computed from each request: the range may be at most {days(self.max_raw_range)} long",
                field=field,
            )


class FilteredParameters(RawRangeParameters):
    """Every filter narrows; several together mean all of them."""

    provider: Text | None = None
    model: Text | None = None
    environment: Text | None = None
    project_id: Text | None = None
    user_id: Text | None = None
    """In ranges of more than 7 days of whole UTC days only."""


def conditions(params: RangedParameters, arguments: Arguments, *, alias: str) -> str:
    """Returns SQL: `true`, and a condition for each filter that the route has and that is given."""
    given = (
        (name, getattr(params, name, None)) for name in ("provider", "model", "environment", "project_id", "user_id")
    )
    narrowed = [f"{alias}.{name} = {arguments.add(value)}" for name, value in given if value is not None]
    return " AND ".join(["true", *narrowed])

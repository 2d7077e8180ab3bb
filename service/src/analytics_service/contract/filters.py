"""Filters that questions about many requests have in common, and how they narrow `requests` of rollups/query.py."""

from datetime import timedelta
from typing import ClassVar

from analytics_service.contract.parameters import Parameters, Text, days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.tenancy import Arguments


class FilteredParameters(Parameters):
    """Every filter narrows; several together mean all of them."""

    provider: Text | None = None
    model: Text | None = None
    environment: Text | None = None
    project_id: Text | None = None
    user_id: Text | None = None
    """In ranges of more than 7 days of whole UTC days only."""

    exact_range: ClassVar[timedelta] = timedelta(days=7)
    """Of questions that no rollup answers: each request of the range is read."""

    @property
    def is_short(self) -> bool:
        return self.range.length <= self.exact_range

    def must_be_short(self, field: str, reason: str) -> None:
        """Raises RequestError when the range is too long for what only single requests know."""
        if not self.is_short:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"{reason} is computed from each request: the range may be at most {days(self.exact_range)} long",
                field=field,
            )


def conditions(params: FilteredParameters, arguments: Arguments, *, alias: str) -> str:
    """`true`, narrowed by each filter that is given."""
    given = ((name, getattr(params, name)) for name in ("provider", "model", "environment", "project_id", "user_id"))
    narrowed = [f"{alias}.{name} = {arguments.add(value)}" for name, value in given if value is not None]
    return " AND ".join(["true", *narrowed])

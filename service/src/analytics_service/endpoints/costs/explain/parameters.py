"""The parameters of the explanation of a change: two periods."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator
from typing_extensions import override

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import TIME, days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.costs.dimensions import CostDimension, DimensionRows, dimension_rows
from analytics_service.units.times import Range

MAX_REACH: Final = timedelta(days=396)
"""From the start of the compared period to the end of the range: a month, and the same month of the year before."""


class ExplainParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(days=7)
    max_range: ClassVar[timedelta] = timedelta(days=92)

    compare_from: Annotated[str, Field(examples=["now-14d/d"], **TIME)] | None = None
    """Start of the period that the range is compared with; by default it is as long as the range, and just before."""
    compare_to: Annotated[str, Field(examples=["now-7d/d"], **TIME)] | None = None
    """Its end, not in it, and not after `from`."""
    dimension: Annotated[CostDimension, Field(examples=["team"])] | None = None
    """Explains the change of each value, too."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """Values in the answer, those that changed the most; all others are one item, `other`."""

    _before: Range = PrivateAttr()

    @property
    def before(self) -> Range:
        return self._before

    @property
    def after(self) -> Range:
        return super().range

    @property
    @override
    def range(self) -> Range:
        return Range(self.before.start, self.after.end)

    @override
    def identity(self) -> bytes:
        written = self.model_dump_json(exclude={"from_", "to", "compare_from", "compare_to"})
        return "/".join([written, *(each.isoformat() for each in (*self.before, *self.after))]).encode()

    @cached_property
    def source(self) -> DimensionRows:
        return dimension_rows(self, self.dimension, min(self.before.length, self.after.length))

    @model_validator(mode="after")
    def _resolve_before(self, info: ValidationInfo[datetime]) -> Self:
        start = self._instant("compare_from", self.compare_from, info.context)
        end = self._instant("compare_to", self.compare_to, info.context)
        if (start is None) != (end is None):
            missing = "compare_from" if start is None else "compare_to"
            raise RequestError(
                Problem.INVALID_TIME_RANGE, f"{missing} is missing: give both ends of the period", field=missing
            )
        self._before = Range(start or self.after.start - self.after.length, end or self.after.start)
        self._check_before()
        _ = self.source  # refuses what no rollup knows
        return self

    def _check_before(self) -> None:
        before, after = self.before, self.after
        for is_wrong, detail, field in (
            (before.start >= before.end, "compare_from must be before compare_to", "compare_from"),
            (before.end > after.start, "compare_to must not be after from", "compare_to"),
            (
                before.length > self.max_range,
                f"the compared period may be at most {days(self.max_range)} long",
                "compare_from",
            ),
            (
                after.end - before.start > MAX_REACH,
                f"compare_from may be at most {days(MAX_REACH)} before to",
                "compare_from",
            ),
        ):
            if is_wrong:
                raise RequestError(Problem.INVALID_TIME_RANGE, detail, field=field)

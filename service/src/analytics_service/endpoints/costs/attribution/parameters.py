"""The parameters of the attribution of costs."""

from datetime import timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import FROM, TIME, TO, Amount
from analytics_service.endpoints.costs.dimensions import CostDimension, DimensionRows, dimension_rows


class AttributionParameters(FilteredParameters):
    default_range: ClassVar[timedelta | None] = None
    max_range: ClassVar[timedelta] = timedelta(days=365)

    from_: Annotated[str, Field(validation_alias=FROM, examples=["now-30d/d"], **TIME)]
    """Start of the range: RFC 3339, or relative as now-24h, now-7d/d. Alias: start_time."""
    to: Annotated[str, Field(validation_alias=TO, examples=["now"], **TIME)]
    """End of the range, not in it. Alias: end_time."""
    dimension: Annotated[CostDimension, Field(examples=["model"])]
    """What costs are divided by."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Values in the answer, the most expensive ones; all others are one item, `other`."""
    min_cost: Amount | None = None
    """US dollars: values that cost less, or have no cost, are in `other`."""

    @cached_property
    def source(self) -> DimensionRows:
        return dimension_rows(self, self.dimension, self.range.length)

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        _ = self.source  # refuses what no rollup knows
        return self

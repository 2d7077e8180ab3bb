"""The parameters of a query of metrics."""

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import override

from analytics_service.contract.parameters import printable
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.query.parts import DimensionFilter, Having, Measure, Selected, SortBy
from analytics_service.endpoints.metrics.series.bucketed import BucketedParameters
from analytics_service.endpoints.metrics.series.names import Aggregation, Dimension, Metric

TIMESTAMP: Final = "timestamp"
EXAMPLE: Final[dict[str, Any]] = {
    "metrics": [
        {"metric": "total_cost", "aggregation": "sum", "alias": "cost"},
        {"metric": "duration", "aggregation": "p95"},
        {"metric": "request_count", "aggregation": "count"},
    ],
    "interval": "1day",
    "from": "now-7d/d",
    "to": "now/d",
    "group_by": ["model"],
    "filters": [{"dimension": "environment", "operator": "in", "value": ["production", "staging"]}],
    "having": [{"metric": "request_count", "aggregation": "count", "operator": "gte", "value": 100}],
    "sort_by": {"field": "cost", "descending": True},
    "limit": 50,
}


class QueryParameters(BucketedParameters):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    metrics: Annotated[tuple[Selected, ...], Field(min_length=1, max_length=20)]
    filters: Annotated[tuple[DimensionFilter, ...], Field(max_length=20)] = ()
    """All of them must be met."""
    having: Annotated[tuple[Having, ...], Field(max_length=10)] = ()
    """All of them must be met."""
    sort_by: SortBy | None = None
    """By default the oldest first. Rows without a value come last; equal ones by time and group."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Rows in the answer."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [TIMESTAMP, *self.group_by, *self._names]
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise RequestError(
                Problem.INVALID_PARAMETER, f"metrics: two columns are called {twice}: give an alias", field="metrics"
            )
        if self.sort_by is not None and self.sort_by.field not in {*names, *self._sortable}:
            raise RequestError(
                Problem.INVALID_PARAMETER,
                f"sort_by: there is no column {printable(self.sort_by.field)}; there are {', '.join(names)}",
                field="sort_by.field",
            )
        _ = self.selection  # refuses what no table knows
        return self

    @cached_property
    def _names(self) -> list[str]:
        """The names of the metrics in the rows, in their order."""
        seen = set[Metric]()
        names = list[str]()
        for one in self.metrics:
            names.append(one.alias or (one.measure.full_name if one.metric in seen else one.metric.value))
            seen.add(one.metric)
        return names

    @cached_property
    def columns(self) -> Mapping[str, Measure]:
        """The measures of a row, by name."""
        return dict(zip(self._names, (one.measure for one in self.metrics), strict=True))

    @cached_property
    def _sortable(self) -> Mapping[str, Measure]:
        """By name, and by metric where no other column has that name."""
        return {**{one.metric: one.measure for one in reversed(self.metrics)}, **self.columns}

    @property
    def sorted_measure(self) -> Measure | None:
        """What sort_by names; None where it is no measure."""
        return None if self.sort_by is None else self._sortable.get(self.sort_by.field)

    @cached_property
    def _compared(self) -> list[Measure]:
        """Those that decide which rows there are, and in which order."""
        ordered = [] if self.sorted_measure is None else [self.sorted_measure]
        return [*(one.measure for one in self.having), *ordered]

    def compares(self, metric: Metric) -> bool:
        return any(one.metric is metric for one in self._compared)

    @cached_property
    @override
    def measures(self) -> Mapping[Metric, tuple[Aggregation, ...]]:
        taken: dict[Metric, dict[Aggregation, None]] = {}
        for measure in [*self.columns.values(), *self._compared]:
            known = taken.setdefault(measure.metric, {})
            if measure.aggregation is not None:
                known[measure.aggregation] = None
        return {metric: tuple(known) for metric, known in taken.items()}

    @property
    @override
    def filtered_by(self) -> frozenset[Dimension]:
        return frozenset(one.dimension for one in self.filters)

    @property
    @override
    def compares_users(self) -> bool:
        return self.compares(Metric.UNIQUE_USERS)

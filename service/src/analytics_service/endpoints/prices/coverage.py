"""GET /api/v1/prices/coverage: which requests have no price, by model."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Final

from pydantic import Field
from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Read, Row, default_ttl, sum_of
from analytics_service.contract.filters import FilteredParameters, conditions
from analytics_service.contract.principal import Permission, Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.rollups.levels import Level, choose
from analytics_service.rollups.query import COMPLETENESS, requests
from analytics_service.rollups.query.coverage import COVERAGE, UNPRICED
from analytics_service.units import decimals
from analytics_service.units.decimals import Number


class CoverageParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(days=30)
    max_range: ClassVar[timedelta] = timedelta(days=365)

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Of models."""

    @cached_property
    def level(self) -> Level:
        return choose(start=self.range.start, end=self.range.end) if self.user_id is None else Level.DAY_USER


class CoverageMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    data_source: str
    total_models: Number
    """With requests that have no price, or not for all that they used; `models` may hold fewer."""


class CoverageOverview(TypedDict):
    requests: Number
    unpriced_requests: Number
    """Without a cost, or with one that is a lower bound."""
    tokens: Number
    unpriced_tokens: Number
    covered_requests: Number | None
    """Per cent of the requests whose cost is known in full."""
    covered_tokens: Number | None


class UnpricedModel(TypedDict):
    provider: str
    model: str
    service_tier: str
    """Empty for the standard one."""
    requests: Number
    unpriced_requests: Number
    unpriced_tokens: Number


class PriceCoverage(TypedDict):
    metadata: CoverageMetadata
    overview: CoverageOverview
    models: list[UnpricedModel]
    """Those with the most tokens without price first."""


_KEYS: Final = ("provider", "model", "service_tier")


def query(principal: Principal, params: CoverageParameters) -> Query:
    """One row of sums of everything, and one of each model that has requests without price."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    narrowed = conditions(params, arguments, alias="r")
    keys = ", ".join(f"r.{key}" for key in _KEYS)
    return Query(
        sql=f"""
{requests(params.level)},
sums AS (
  SELECT GROUPING({keys}) AS whole, {keys}, sum(r.request_count) AS requests, sum(r.total_tokens_sum) AS tokens,
    {COVERAGE}
  FROM requests AS r WHERE {narrowed} GROUP BY GROUPING SETS ((), ({keys}))
  HAVING GROUPING({keys}) > 0 OR {UNPRICED} > 0
)
SELECT s.*, count(*) OVER () - 1 AS models, w.*
FROM sums AS s CROSS JOIN ({COMPLETENESS}) AS w
ORDER BY s.whole DESC, s.unpriced_tokens DESC NULLS LAST, s.unpriced DESC, {", ".join(f"s.{key}" for key in _KEYS)}
LIMIT {arguments.add(params.limit + 1)}""",
        args=arguments.values,
        searches=params.level is Level.RAW,
    )


def answer(params: CoverageParameters, rows: Sequence[Row]) -> Answer:
    whole, *models = rows
    count, unpriced = sum_of(whole, "requests"), sum_of(whole, "unpriced")
    tokens, unpriced_tokens = sum_of(whole, "tokens"), sum_of(whole, "unpriced_tokens")
    return Answer(
        data=PriceCoverage(
            metadata=CoverageMetadata(
                start_time=params.range.start,
                end_time=params.range.end,
                data_source=params.level,
                total_models=whole["models"],
            ),
            overview=CoverageOverview(
                requests=count,
                unpriced_requests=unpriced,
                tokens=tokens,
                unpriced_tokens=unpriced_tokens,
                covered_requests=decimals.per_cent(count - unpriced, count),
                covered_tokens=decimals.per_cent(tokens - unpriced_tokens, tokens),
            ),
            models=[
                UnpricedModel(
                    provider=row["provider"],
                    model=row["model"],
                    service_tier=row["service_tier"],
                    requests=row["requests"],
                    unpriced_requests=row["unpriced"],
                    unpriced_tokens=sum_of(row, "unpriced_tokens"),
                )
                for row in models
            ],
        ),
        source=params.level,
        watermark=whole["watermark"],
        incomplete=below_retention(whole, IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION),
        coverage=Coverage.of(unpriced, unpriced_tokens),
    )


ENDPOINT: Final = Read(
    path="/api/v1/prices/coverage",
    name="get_price_coverage",
    summary="Which requests have no price, by model",
    permission=Permission.COSTS_READ,
    params=CoverageParameters,
    query=query,
    answer=answer,
    data=PriceCoverage,
    cache_for=default_ttl,
)

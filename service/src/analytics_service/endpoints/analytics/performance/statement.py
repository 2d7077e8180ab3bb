"""The statement of performance: sums, extremes and percentiles of each bucket and, as number 0, of the range."""

from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.analytics.performance.parameters import PerformanceParameters
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, percentiles, requests
from analytics_service.rollups.query.percentiles import Percentile

MEASURES: Final = ("duration_us", "ttft_us")
PERCENTILES: Final = tuple(
    Percentile(name=f"{measure}_p{per_cent}", measure=measure, share=f"0.{per_cent}")
    for measure in MEASURES
    for per_cent in (50, 95, 99)
)
_SUMS: Final = ", ".join(
    (
        "sum(r.request_count) AS requests, sum(r.total_tokens_sum) AS tokens",
        *(f"sum(r.{each}_sum) AS {each}_sum, sum(r.{each}_count) AS {each}_count" for each in MEASURES),
        *(f"min(r.{each}_min) AS {each}_min, max(r.{each}_max) AS {each}_max" for each in MEASURES),
    )
)
_OF_REQUESTS: Final = ", ".join(
    f"percentile_disc({one.share}) WITHIN GROUP (ORDER BY r.{one.measure}_min) AS {one.name}" for one in PERCENTILES
)
"""Of rows of raw, whose minimum is their own value."""


def query(principal: Principal, params: PerformanceParameters) -> Query:
    """A row for the whole range, and one for each bucket that has requests, oldest first."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    starts, latency = arguments.add(params.starts), params.selection.latency
    number = f"width_bucket(r.bucket, {starts}::timestamptz[]) AS number"
    rows = f"(SELECT {number}, r.* FROM {{}} AS r WHERE {conditions(params, arguments, alias='r')})"
    columns, joined = f"{_SUMS}, {_OF_REQUESTS}", ""
    if latency is not None:
        columns, joined = _SUMS, f"LEFT JOIN ({_of_histograms(rows.format('latency'))}) AS latency USING (number)"
    return Query(
        sql=f"""
{requests(params.selection.level, *params.selection.sketches, boundaries=starts)}
SELECT w.*, q.*
FROM ({COMPLETENESS}) AS w CROSS JOIN (
  SELECT * FROM (
    SELECT coalesce(r.number, 0) AS number, {columns}
    FROM {rows.format("requests")} AS r GROUP BY GROUPING SETS ((), (r.number))
  ) AS totals {joined}
) AS q
ORDER BY q.number""",
        args=arguments.values,
        searches=params.selection.level is Level.RAW,
    )


def _of_histograms(rows: str) -> str:
    """The bins of the range are the sums of those of its buckets."""
    bins = f"""
    WITH b AS ({percentiles.bins(rows, ["number"], MEASURES)})
    SELECT number, code, n FROM b UNION ALL SELECT 0, code, sum(n) FROM b GROUP BY code
  """
    return percentiles.percentiles(bins, ["number"], PERCENTILES)

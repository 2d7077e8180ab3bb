"""Percentiles and numbers of users from sketches: statements with one row per bucket and group, as totals have."""

from collections.abc import Sequence

from analytics_service.endpoints.metrics.series.names import (
    LATENCIES,
    PERCENTILES,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.rollups import sketches


def percentiles(params: MetricParameters, rows: str, keys: Sequence[str]) -> str:
    """Returns SQL with the columns of percentiles from raw, in microseconds: the first bin that reaches the share."""
    keyed = ", ".join(keys)
    columns = ", ".join(_percentile(metric, one) for metric, one in percentile_columns(params))
    return f"""
SELECT {keyed}, {columns}
FROM (
  SELECT *, sum(n) OVER (PARTITION BY {keyed}, measure ORDER BY bin) AS reached,
    sum(n) OVER (PARTITION BY {keyed}, measure) AS whole
  FROM (SELECT {keyed}, measure, bin, sum(n) AS n FROM ({rows}) AS r GROUP BY {keyed}, measure, bin) AS bins
) AS shares
GROUP BY {keyed}"""


def percentile_columns(params: MetricParameters) -> list[tuple[Metric, Aggregation]]:
    return [
        (metric, one)
        for metric in params.metrics
        if metric in LATENCIES
        for one in params.aggregations(metric)
        if one in PERCENTILES
    ]


def _percentile(metric: Metric, one: Aggregation) -> str:
    reached = f"measure = '{VALUE_METRICS[metric].column}' AND reached >= {PERCENTILES[one]} * whole"
    return f"{sketches.value_of(f'min(bin) FILTER (WHERE {reached})')} AS {column_name(metric, one)}"


def users(rows: str, keys: Sequence[str]) -> str:
    """Returns SQL of `ranks` and the number of `registers` with each rank, as sketches.users takes them."""
    keyed = ", ".join(keys)
    return f"""
SELECT {keyed}, array_agg(rank) AS ranks, array_agg(registers) AS registers
FROM (
  SELECT {keyed}, rank, count(*) AS registers
  FROM (SELECT {keyed}, reg, max(rank) AS rank FROM ({rows}) AS r GROUP BY {keyed}, reg) AS merged
  GROUP BY {keyed}, rank
) AS counted
GROUP BY {keyed}"""

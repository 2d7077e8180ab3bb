"""Percentiles and numbers of users from sketches: statements with one row per bucket and group, as totals have."""

from collections.abc import Mapping, Sequence

from analytics_service.endpoints.metrics.series.names import (
    LATENCIES,
    PERCENTILES,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.rollups.hierarchy.latency import RANKS
from analytics_service.rollups.query import percentiles as histograms
from analytics_service.rollups.query.percentiles import Percentile

Measures = Mapping[Metric, tuple[Aggregation, ...]]


def percentiles(measures: Measures, rows: str, keys: Sequence[str]) -> str:
    """Returns SQL with the columns of percentiles from raw, in microseconds: the first bin that reaches the share."""
    asked = [
        Percentile(name=column_name(metric, one), measure=VALUE_METRICS[metric].column, share=PERCENTILES[one])
        for metric, one in percentile_columns(measures)
    ]
    bins = histograms.bins(rows, keys, [each.measure for each in asked])
    return histograms.percentiles(bins, keys, asked)


def percentile_columns(measures: Measures) -> list[tuple[Metric, Aggregation]]:
    return [
        (metric, one)
        for metric, taken in measures.items()
        if metric in LATENCIES
        for one in taken
        if one in PERCENTILES
    ]


def users(rows: str, keys: Sequence[str]) -> str:
    """Returns SQL of `ranks` and the number of `registers` with each rank, as sketches.users takes them."""
    keyed = ", ".join(keys)
    return f"""
SELECT {keyed}, array_agg(rank) AS ranks, array_agg(registers) AS registers
FROM (
  SELECT {keyed}, code % {RANKS} AS rank, count(*) AS registers
  FROM (
    SELECT {keyed}, max(code) AS code FROM ({rows}) AS r CROSS JOIN LATERAL unnest(r.codes) AS e (code)
    GROUP BY {keyed}, code / {RANKS}
  ) AS merged
  GROUP BY {keyed}, code % {RANKS}
) AS counted
GROUP BY {keyed}"""


def users_exactly(rows: str, keys: Sequence[str]) -> str:
    """Returns SQL of the number of users; users are put together first, for to sort their names would take longer."""
    keyed = ", ".join(keys)
    return f"""
SELECT {keyed}, count(*) AS {Metric.UNIQUE_USERS}
FROM (SELECT {keyed}, user_id FROM ({rows}) AS r WHERE user_id IS NOT NULL GROUP BY {keyed}, user_id) AS users
GROUP BY {keyed}"""
